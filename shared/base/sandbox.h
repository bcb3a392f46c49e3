/* sandbox - does this process live in a network or pid namespace of its own, as the commands of a sandboxed agent do? What it started would
 * see another network than people do, and die with the sandbox. */
#pragma once
#include <stdbool.h>

/* True also when that cannot be told: no /proc, or one that hides pid 1. macOS has no such namespaces: false. */
bool sandbox_is_private(void);
