/* banned - functions that must not be used, turned into compile errors. Forced into every file by CMake. */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf strtok gets gmtime localtime ctime asctime atoi atol atoll tmpnam mktemp

/* In headers of libcrypto "rand" is a name like any other: here the call is the error. clang wants that said at the first declaration. */
#if defined(__GNUC__) && !defined(__clang__)
int rand(void) __attribute__((error("use random_bytes")));
void srand(unsigned seed) __attribute__((error("use random_bytes")));
#endif
