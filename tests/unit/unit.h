/* unit - what every unit test includes. A test file defines suite(). */
#pragma once
#include <check.h>
#include "base/attr.h"

Suite *suite(void);
