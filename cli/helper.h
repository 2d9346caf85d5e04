/* helper.h - where the helper program of this cordon is. */
#ifndef CLI_HELPER_H
#define CLI_HELPER_H

/* Beside this very program: PREFIX/libexec/cordon/cordon-worker for
 * PREFIX/bin/cordon, so that a moved installation and a build tree find their
 * own.  NULL: not there; the library knows where it was installed.  Never looks
 * at the environment.  Static. */
const char *helper_path(void);

#endif
