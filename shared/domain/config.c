#include "domain/config.h"
#include "data/secret.h"
#include "domain/config_table.h"

/* ---- objects and their end ------------------------------------------------------------------- */
size_t config_objects_n(const struct config_key *key, const void *object)
{
	return *(const size_t *)config_field(object, key->count_offset);
}

void *config_object_at(const struct config_key *key, const void *object, size_t i)
{
	char *v = *(char **)config_field(object, key->offset);

	return v + i * key->table->size;
}

static void list_release(struct config_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->v[i]);
	free(list->v);
}

static void secret_release(struct config_secret *s)
{
	secret_free(s->text);
	list_release(&s->argv);
}

static void secrets_release(struct config_secrets *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->v[i].name);
		secret_release(&s->v[i].value);
	}
	free(s->v);
}

static void limits_release(struct config_limits *limits)
{
	for (size_t i = 0; i < limits->n; i++) {
		free(limits->v[i].tool);
		free(limits->v[i].v);
	}
	free(limits->v);
}

static void objects_release(const struct config_key *key, void *object)
{
	size_t n = config_objects_n(key, object);

	for (size_t i = 0; i < n; i++) {
		void *o = config_object_at(key, object, i);
		if (key->type == CONFIG_MAP)
			free(*(char **)o);
		config_table_release(key->table, o);
	}
	free(*(void **)config_field(object, key->offset));
}

static void value_release(const struct config_key *key, void *object)
{
	void *field = config_field(object, key->offset);

	switch (key->type) {
	case CONFIG_STRING: free(*(char **)field); break;
	case CONFIG_LIST: list_release(field); break;
	case CONFIG_SECRET: secret_release(field); break;
	case CONFIG_SECRETS: secrets_release(field); break;
	case CONFIG_LIMITS: limits_release(field); break;
	case CONFIG_SECTION: config_table_release(key->table, object); break;
	case CONFIG_MAP:
	case CONFIG_OBJECTS: objects_release(key, object); break;
	default: break; /* numbers and words own nothing */
	}
}

void config_table_release(const struct config_table *table, void *object)
{
	for (size_t i = 0; i < table->n; i++)
		value_release(&table->keys[i], object);
}

void config_free(struct config *c)
{
	if (!c)
		return;
	config_table_release(&config_root, c);
	free(c->path);
	free(c);
}

/* ---- looking things up ----------------------------------------------------------------------- */
const struct config_backend *config_backend(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->backends_n; i++)
		if (strcmp(c->backends[i].name, name) == 0)
			return &c->backends[i];
	return NULL;
}

const struct config_queue *config_queue(const struct config *c, const char *backend)
{
	for (size_t i = 0; i < c->queues_n; i++)
		if (strcmp(c->queues[i].backend, backend) == 0)
			return &c->queues[i];
	return NULL;
}

const struct config_agent *config_agent(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->agents_n; i++)
		if (strcmp(c->agents[i].name, name) == 0)
			return &c->agents[i];
	return NULL;
}

const struct config_grant *config_grant(const struct config_agent *a, const char *backend)
{
	for (size_t i = 0; i < a->grants_n; i++)
		if (strcmp(a->grants[i].backend, backend) == 0)
			return &a->grants[i];
	return NULL;
}
