/* audit.h - the audit log: one JSON line for each decision, before it takes
 * effect, and for each connection that is opened or has ended.  The fields are
 * those of doc/audit.schema.json. */
#ifndef CLI_AUDIT_H
#define CLI_AUDIT_H

#include <cordon/cordon.h>

#include <stdbool.h>

struct audit {
  int fd;           /* -1: no log */
  const char *path; /* for messages */
  const char *name; /* of the sandbox */
  bool query;       /* values in queries are written, not redacted */
  bool failed;      /* which has been said */
};

/* |path| "-": standard output.  A file is appended to, and made with mode 0600.
 * A status; unless STATUS_OK, what is wrong has been said. */
int audit_open(struct audit *a, const char *path, const char *name);
void audit_close(struct audit *a);

/* True: the line stands in the log (or there is none to write). */
bool audit_decision(struct audit *a, const cordon_audit_event *event);
bool audit_connection(struct audit *a, const cordon_connection_event *event);

#endif
