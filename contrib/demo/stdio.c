/* stdio - the same server as a child: a message a line on stdin, its answer a line on stdout, until stdin ends. */
#include "contrib/demo/demo.h"
#include <stdio.h>
#include "base/xalloc.h"

struct talk {
	struct demo *demo;
	char session[ID_SIZE];      /* of the one client there is; "" before initialize */
};

static bool answer_line(struct talk *t, struct span line)
{
	struct mcp_request request = { .body = line, .session = t->session[0] ? t->session : NULL };
	struct mcp_answer answer;
	bool is_said = true;

	mcp_answer(t->demo, &request, &answer);
	if (answer.session[0])
		memcpy(t->session, answer.session, sizeof t->session);
	if (answer.body.len > 0)
		is_said = fwrite(answer.body.data, answer.body.len, 1, stdout) == 1 && putchar('\n') != EOF && fflush(stdout) == 0;
	buf_release(&answer.body);
	return is_said;
}

int stdio_serve(struct demo *d)
{
	struct talk talk = { .demo = d };
	CLEANUP(free_charp) char *line = NULL;
	size_t room = 0;
	ssize_t n;

	while ((n = getline(&line, &room, stdin)) > 0) {
		if (line[n - 1] == '\n')
			n--;
		if (n > 0 && !answer_line(&talk, (struct span){ line, (size_t)n }))
			return 1;
	}
	return 0;
}
