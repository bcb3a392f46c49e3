/* config_table - what every key of aegis.yaml is: the one table that loading, freeing, showing, the example and the schema walk. */
#pragma once
#include "domain/config.h"

#define CONFIG_HIDDEN "(hidden)"        /* what stands for a plain secret where rules are shown */

enum config_type {                      /* what the field at `offset` is */
	CONFIG_BOOL,                    /* bool: true | false */
	CONFIG_SWITCH,                  /* bool: words[0] | words[1] */
	CONFIG_WORD,                    /* an enum: the index of one of words */
	CONFIG_INT,                     /* int64_t in [min, max]; without fallback CONFIG_AUTO = not set */
	CONFIG_COUNT,                   /* uint32_t in [min, max] */
	CONFIG_DURATION,                /* int64_t ms in [min, max] */
	CONFIG_SIZE,                    /* int64_t bytes in [min, max] */
	CONFIG_STRING,                  /* char *, "" = not set; one of words, if there are any */
	CONFIG_LIST,                    /* struct config_list */
	CONFIG_SECRET,                  /* struct config_secret */
	CONFIG_SECRETS,                 /* struct config_secrets: a map of names the user chooses */
	CONFIG_LIMITS,                  /* struct config_limits: a map of tools or globs */
	CONFIG_SECTION,                 /* a map of table's keys, whose offsets count from the same struct */
	CONFIG_MAP,                     /* table's objects by name: pointer at offset, number at count_offset */
	CONFIG_OBJECTS,                 /* table's objects in a list */
	CONFIG_EMPTY,                   /* no field: must be left empty, because this version cannot do it */
};

enum config_form {                      /* of the text of strings, of list items, of names in maps */
	FORM_LINE,                      /* no control characters */
	FORM_TEXT,                      /* line breaks too */
	FORM_NAME,
	FORM_UID,                       /* "uid:1000" */
	FORM_BACKEND,                   /* the name of one of backends */
	FORM_AGENT,
	FORM_PERSON,
	FORM_ROOM,
	FORM_GLOB,
	FORM_PATH,                      /* made absolute against the file's folder */
	FORM_URL,                       /* http or https, without user and password */
	FORM_PROXY,                     /* a URL of a proxy, likewise */
	FORM_ADDRESS,                   /* [host]:port */
	FORM_HEADER,                    /* name of an HTTP header */
	FORM_VARIABLE,                  /* name of an environment variable */
	FORM_REPOSITORY,                /* owner/name */
	FORM_CREDENTIAL,                /* name of a file in $CREDENTIALS_DIRECTORY */
};

enum config_flags {
	KEY_OF_GO = 1,                  /* stood in the file of the Go predecessor, with the same meaning */
	KEY_AUTO = 2,                   /* durations: `auto` too, CONFIG_AUTO */
	KEY_ONE_OR_MORE = 4,            /* lists: a single text too */
	KEY_PLAIN_IS_FINE = 8,          /* secrets: plain text draws no warning */
	KEY_SAMPLE_IS_LIVE = 16,        /* the example sets it, instead of showing it as a comment */
	KEY_REQUIRED = 32,
	KEY_IS_IGNORED = 64,            /* accepted with a warning */
	KEY_OF_URL = 128,               /* of a backend with a url only */
	KEY_OF_COMMAND = 256,           /* of a backend with a command only */
};

struct config_table;
struct config_key {
	const char *name;
	enum config_type type;
	size_t offset, count_offset;
	int64_t min, max;
	const char *fallback;           /* default as a user would write it; lists: words between blanks; NULL: none */
	const char *const *words;       /* ends with NULL */
	enum config_form form;
	unsigned flags;
	const struct config_table *table;
	const char *sample;             /* for the example, where the default teaches nothing: YAML on one line */
	const char *doc;                /* one sentence */
};

struct loader;
struct place;
struct config_table {                   /* of a section, or of the objects of a map or list */
	const struct config_key *keys;
	size_t n;
	size_t size;                    /* of an object; its name is the char * at its start */
	size_t line_offset;
	const char *sample_name;        /* of the object the example shows */
	/* Rules between the keys of one object; called when each of them is right by itself. */
	void (*check)(struct loader *l, const struct place *at, void *object);
	/* NULL, or a function that says why a key has no effect in this object (NULL: it has): a warning, and not shown. */
	const char *(*idle)(const struct config_key *key, const void *object);
};
extern const struct config_table config_root;
extern const struct config_table config_limit_table;   /* of a struct config_limit */

static inline void *config_field(const void *object, size_t offset)
{
	return (char *)(uintptr_t)object + offset;
}

/* Where the i-th object of a CONFIG_MAP or CONFIG_OBJECTS stands, and how many there are. */
size_t config_objects_n(const struct config_key *key, const void *object);
void *config_object_at(const struct config_key *key, const void *object, size_t i);

/* Frees what the keys of one object own; secrets are wiped. */
void config_table_release(const struct config_table *table, void *object);
