/* channel.h - channels that the host feeds: timers and connections. */
#ifndef MODULES_CHANNEL_H
#define MODULES_CHANNEL_H

#include "runtime/base/list.h"
#include "runtime/vm/sched.h"

struct channel;

/* Words that messages are made of: Lua looks for a text of C in its table of
 * strings each time, which costs a small message as much as its bytes. */
enum channel_word {
  WORD_TYPE = 1,
  WORD_DATA,
  WORD_TEXT,
  WORD_BINARY,
  WORDS_END
};
/* Pushes |word|; |at_hand|: as |push| and |pull| are told. */
void channel_push_word(lua_State *L, bool at_hand, enum channel_word word);

/* One value on its way to a script.  Embedded in its producer's struct. */
struct channel_item {
  struct list node;
  /* Pushes the value on |L|; may raise (memory).  The item is no longer in the
   * channel then.  In either case |drop| is called afterwards, exactly once. It
   * neither waits nor calls the script.  |words|: for channel_push_word. */
  void (*push)(lua_State *L, struct channel_item *it, bool words);
  void (*drop)(struct channel_item *it); /* never touches Lua */
};

/* The producer's side.  |live|: may an item or a close still come by itself?
 * |taken| (may be NULL): an item left the channel (start reading again).
 * |pull| (may be NULL): a receiver finds the channel empty; pushes what comes
 * next on |L| if it is at hand, which saves it the way through the channel, or
 * returns false.  As channel_item.push; the gate is open.
 * |gone|: the channel is no more, and was not detached. */
struct channel_host {
  bool (*live)(void *ud);
  void (*taken)(void *ud);
  bool (*pull)(lua_State *L, void *ud, bool words);
  void (*gone)(void *ud);
  void *ud;
};

/* Pushes a new channel of |capacity| that only the host can put into or close
 * (scripts that try get an error).  |owner|: the index of a value that lives at
 * least as long as the channel (the producer's userdata), or 0.  Pointers in
 * |h| are kept until channel_host_detach. */
struct channel *channel_new_host(lua_State *L, size_t capacity, int owner,
                                 const struct channel_host *h);

/* The host's side of a channel that only scripts send into. */
struct channel_sink {
  /* Takes the value at |idx|, for which there is room.  True: it is the host's,
   * and nothing was pushed.  False: pushes an error to be raised.  May raise.
   */
  bool (*send)(lua_State *L, int idx, void *ud);
  void (*shut)(void *ud); /* the script has closed it */
  void (*gone)(void *ud); /* the channel is no more */
  void *ud;
};

/* Pushes a new channel of |capacity| >= 1, |used| places of which are taken,
 * that scripts can send into and close, but not receive from. */
struct channel *channel_new_sink(lua_State *L, size_t capacity, size_t used,
                                 const struct channel_sink *s);
/* |n| values have left it: who waits for room may go on. */
void channel_sink_room(struct channel *ch, size_t n);
/* Nothing is taken any more: senders get an error. */
void channel_sink_close(struct channel *ch);

/* Hands |it| to the first waiting receiver or appends it.  Never allocates and
 * never refuses: the producer looks at channel_host_room first.  From loop
 * callbacks and tasks alike. */
void channel_host_put(struct channel *ch, struct channel_item *it);
/* Free places: capacity minus what waits; 0: stop producing.  A waiting
 * receiver counts as a place. */
size_t channel_host_room(const struct channel *ch);
size_t channel_host_len(const struct channel *ch);
/* Receivers drain what is there, then get nil, false. */
void channel_host_close(struct channel *ch);
/* An item whose push has raised is dropped now, and not when the next receiver
 * comes. */
void channel_host_tidy(struct channel *ch);
/* The producer dies, and nobody waits: as close, what was not received is
 * dropped, and |h| is not used any more. */
void channel_host_detach(struct channel *ch);

int luaopen_channel(lua_State *L);

#endif
