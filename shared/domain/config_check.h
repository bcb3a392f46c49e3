/* config_check - rules between the keys of one object, named by the table and called when each key is right by itself. */
#pragma once
#include "domain/config_loader.h"

void config_check_backend(struct loader *l, const struct place *at, void *object);
void config_check_queue(struct loader *l, const struct place *at, void *object);
void config_check_agent(struct loader *l, const struct place *at, void *object);
void config_check_principal(struct loader *l, const struct place *at, void *object);
void config_check_person(struct loader *l, const struct place *at, void *object);
void config_check_approval(struct loader *l, const struct place *at, void *object);
void config_check_broker(struct loader *l, const struct place *at, void *object);
void config_check_root(struct loader *l, const struct place *at, void *object);

/* Why a key of this backend has no effect, or NULL: some are for a url only, some for a command only. */
const char *config_backend_idle_key(const struct config_key *key, const void *object);
