/* message.c - messages and the room in them. */
#include "runtime/net/message.h"

#include "runtime/base/err.h"

_Static_assert(offsetof(struct message, user) +
                       sizeof((struct message *)0)->user ==
                   sizeof(struct message),
               "|user| stands in front of the data");

void message_free(struct message *m) {
  if (m) {
    struct mem mem = m->mem;
    mem_free(&mem, m, sizeof *m + m->cap);
  }
}

int message_resize(struct message **m, const struct mem *mem, uint8_t opcode,
                   size_t cap) {
  struct message *grown;
  if (cap > SIZE_MAX - sizeof *grown)
    return ERR_NOMEM;
  grown = *m ? mem_realloc(mem, *m, sizeof **m + (*m)->cap, sizeof **m + cap)
             : mem_alloc(mem, sizeof *grown + cap);
  if (!grown)
    return ERR_NOMEM;
  if (!*m)
    *grown = (struct message){.mem = *mem, .opcode = opcode};
  list_init(&grown->node);
  grown->data = (char *)(grown + 1);
  grown->cap = cap;
  *m = grown;
  return 0;
}
