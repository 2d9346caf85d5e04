/* websocket_client.h - what a script holds of a connection.  Shared by the
 * files of the websocket module; the sandbox sees services.h. */
#ifndef MODULES_WEBSOCKET_CLIENT_H
#define MODULES_WEBSOCKET_CLIENT_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "modules/channel.h"
#include "modules/services.h"
#include "runtime/base/list.h"
#include "runtime/net/connection.h"
#include "runtime/vm/object.h"

#define CLIENT_META "websocket.client"
#define CLOSE_REASON_MAX 123 /* RFC 6455 section 5.5: 125 less the code */

struct dial;

struct client {
  struct object object;
  struct list node; /* in services.clients */
  struct services *sv;
  struct connection *conn; /* NULL: not there any more */
  struct channel *ch;
  struct dial *dial;
  struct list sends; /* of struct send_op */
  bool control_messages;
  bool paused;
  bool close_called;
  uint16_t own_code; /* with it */
  bool over;         /* close_info is known */
  uint64_t number;   /* for the audit; 0: it was never open */
  bool clean;
  uint16_t close_code;
  uint8_t close_reason_len;
  char close_reason[CLOSE_REASON_MAX];
  struct channel_item close_item;
};

/* Its user values. */
enum { USER_CHANNEL = 1, USER_PROTOCOL = 2 };

/* websocket_client.c */

/* Pushes a userdata that is closed but complete; its finalizer owns all of
 * it. */
struct client *client_new(lua_State *L, size_t capacity, bool control_messages);
/* Takes it out of services.clients. */
void client_forget(struct client *c);
/* Tells the host, once, that an open connection has ended. */
void client_tell_end(struct client *c, uint16_t code, bool clean);
/* Of a connection_handler whose |ud| is the client. */
void client_on_message(void *ud, struct message *m);
void client_on_closed(void *ud, const struct connection_close *how);

/* websocket_connect.c */

int websocket_connect(lua_State *L);
void client_dial_free(struct client *c); /* harmless where there is none */
/* What the broker opens for it from now on is closed. */
void client_dial_forget(struct client *c);

/* websocket_send.c */

int client_send(lua_State *L);
int client_ping(lua_State *L);
int client_close(lua_State *L);
/* Wakes every task that sends: the connection is closed. */
void client_fail_sends(struct client *c);

/* Argument 1, or NULL where it is something else. */
static inline struct client *client_arg(lua_State *L) {
  return object_test(L, 1, CLIENT_META);
}

#endif
