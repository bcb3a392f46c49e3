/* banned - functions that must not be used, turned into compile errors. Forced into every file by CMake. */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf strtok gets gmtime localtime ctime asctime atoi atol atoll rand srand tmpnam mktemp
