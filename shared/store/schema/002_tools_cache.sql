-- What a backend listed last, so that the next session starts warm (DESIGN.md section 3).
CREATE TABLE tools_cache (               -- raw results of tools/list, before anything is hidden or annotated
  tenant TEXT NOT NULL, backend TEXT NOT NULL,
  credential BLOB NOT NULL,              -- hash of whatever else the answer may depend on: place, headers, what the client can do
  revision TEXT NOT NULL, page INTEGER NOT NULL,
  body TEXT NOT NULL,
  digest BLOB NOT NULL,                  -- of the tools of all pages
  fetched_tick INTEGER NOT NULL,
  PRIMARY KEY (tenant, backend, credential, revision, page)
) STRICT;
CREATE INDEX tools_cache_age ON tools_cache(fetched_tick);
