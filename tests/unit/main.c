/* Runs the suite of one test program. */
#include <stdlib.h>
#include "unit/unit.h"

const char *unit_program;

__attribute__((weak)) int peer_main(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	unit_program = argv[0];
	if (argc > 1 && strcmp(argv[1], "--peer") == 0)
		return peer_main(argc - 2, argv + 2);

	setenv("CK_DEFAULT_TIMEOUT", "240", 0); /* of one test, seconds; check's own 4 are too few for a busy machine. A hang, no more */
	SRunner *runner = srunner_create(suite());

	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
