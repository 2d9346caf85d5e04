/* completion.c - what shells complete, from the tables that the commands read
 * their options by. */
#include "cli/cli.h"

#include "cli/options.h"
#include "cli/print.h"

#include <cordon/cordon.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct option no_options[] = {{NULL, 0, NULL, false, false}};

static const struct option *options_of(const struct command *c) {
  return c->options ? c->options : no_options;
}

/* What an option's value may be: one of several words, a file, or something
 * that nobody can guess. */
static bool is_code(const char *value) { /* of a finding */
  return strcmp(value, "CODE") == 0;
}

static bool is_choice(const struct option *t) {
  return t->value && (strchr(t->value, '|') || is_code(t->value));
}

/* Behind the first word that is no option nothing more is the command's. */
static bool takes_script(const struct command *c) {
  return strcmp(c->name, "run") == 0;
}

static bool is_file(const char *value) {
  return value && (strcmp(value, "FILE") == 0 || strcmp(value, "PATH") == 0);
}

/* -------------------------------------------------------- descriptions --- */

#define BRIEF_MAX 72

/* Behind the words that introduce the option in |help|, or NULL. */
static const char *introduced(const char *help, const struct option *t) {
  char want[64];
  size_t len = (size_t)snprintf(want, sizeof want, "--%s", t->name);
  for (const char *p = help; (p = strstr(p, want)); p += len) {
    const char *line = p;
    while (line > help && line[-1] != '\n')
      line--;
    /* "      --name" or "  -x, --name" */
    if (p - line != 6 || (p[len] != ' ' && p[len] != '\n'))
      continue;
    p += len;
    if (t->value) {
      p += strspn(p, " ");
      p += strcspn(p, " \n");
    }
    return p;
  }
  return NULL;
}

/* The first clause of what |help| says of an option, on one line. */
static void brief(const char *help, const struct option *t,
                  char out[BRIEF_MAX + 1]) {
  const char *p = introduced(help, t);
  size_t n = 0;
  if (p)
    p += strspn(p, " \n");
  for (; p && *p && n < BRIEF_MAX && !strchr(";:,(", *p); p++) {
    if (*p == '.' && (p[1] == ' ' || p[1] == '\n'))
      break;
    if (*p == '\n') {
      if (p[1] != ' ') /* the next line is about something else */
        break;
      p += strspn(p + 1, " ");
      if (p[1] == '-')
        break;
      out[n++] = ' ';
    } else {
      out[n++] = *p;
    }
  }
  while (n > 0 && out[n - 1] == ' ')
    n--;
  out[n] = '\0';
}

/* Text between single quotes of a shell. */
static void add_quoted(struct out *o, const char *text) {
  for (; *text; text++)
    if (*text == '\'')
      out_text(o, "'\\''");
    else
      out_add(o, text, 1);
}

/* "a|b" as "a b". */
static void add_choices(struct out *o, const char *value) {
  for (size_t i = 0; is_code(value) && cordon_lint_code(i); i++) {
    out_text(o, i ? " " : "");
    out_text(o, cordon_lint_code(i));
  }
  for (; !is_code(value) && *value; value++)
    out_add(o, *value == '|' ? " " : value, 1);
}

static void add_commands(struct out *o) {
  for (const struct command *c = commands; c->name; c++) {
    if (c != commands)
      out_text(o, " ");
    out_text(o, c->name);
  }
}

/* ---------------------------------------------------------------- bash --- */

/* "--name" and "-n" of those that take a value, with |between|. */
static void add_valued(struct out *o, const struct command *c,
                       const char *between) {
  bool first = true;
  for (const struct option *t = options_of(c); t->name; t++) {
    char text[128];
    if (!t->value || t->later)
      continue;
    out_text(o, first ? "" : between);
    first = false;
    snprintf(text, sizeof text, "--%s", t->name);
    out_text(o, text);
    if (t->letter) {
      snprintf(text, sizeof text, "%s-%c", between, t->letter);
      out_text(o, text);
    }
  }
}

/* Sets |values| to files where the script stands before the cursor. */
static void bash_script(struct out *o, const struct command *c) {
  out_text(o, "  if [[ $command == ");
  out_text(o, c->name);
  out_text(o, " ]]; then\n"
              "    for ((at = 2; at < COMP_CWORD; at++)); do\n"
              "      case ${COMP_WORDS[at]} in\n"
              "      ");
  add_valued(o, c, " | ");
  out_text(o, ")\n"
              "        at=$((at + 1))\n"
              "        [[ ${COMP_WORDS[at]} == = ]] && at=$((at + 1))\n"
              "        ;;\n"
              "      -?*) ;;\n"
              "      *)\n"
              "        values=/\n"
              "        break\n"
              "        ;;\n"
              "      esac\n"
              "    done\n"
              "  fi\n");
}

/* A case for |t| of |c|, in both of its spellings. */
static void bash_pattern(struct out *o, const struct command *c,
                         const struct option *t) {
  char text[128];
  snprintf(text, sizeof text, "  '%s --%s'", c->name, t->name);
  out_text(o, text);
  if (t->letter) {
    snprintf(text, sizeof text, " | '%s -%c'", c->name, t->letter);
    out_text(o, text);
  }
  out_text(o, ") ");
}

static void bash(struct out *o) {
  out_text(o, "# bash completion for cordon, made by: cordon help --completion "
              "bash\n"
              "_cordon() {\n"
              "  local cur=${COMP_WORDS[COMP_CWORD]} option= values=- at\n"
              "  local command=${COMP_WORDS[1]}\n"
              "  COMPREPLY=()\n"
              "  if ((COMP_CWORD == 1)); then\n"
              "    mapfile -t COMPREPLY < <(compgen -W '");
  add_commands(o);
  out_text(o, " --help --version' -- \"$cur\")\n"
              "    return\n"
              "  fi\n"
              "  # --option=value comes as three words\n"
              "  option=${COMP_WORDS[COMP_CWORD - 1]}\n"
              "  if [[ $cur == = ]]; then\n"
              "    cur=\n"
              "  elif [[ $option == = ]]; then\n"
              "    option=${COMP_WORDS[COMP_CWORD - 2]}\n"
              "  fi\n"
              "  case \"$command $option\" in\n");
  for (const struct command *c = commands; c->name; c++)
    for (const struct option *t = options_of(c); t->name; t++) {
      if (!t->value || t->later)
        continue;
      bash_pattern(o, c, t);
      out_text(o, "values='");
      if (is_choice(t))
        add_choices(o, t->value);
      else if (is_file(t->value))
        out_text(o, "/");
      out_text(o, "' ;;\n");
    }
  out_text(o, "  esac\n");
  for (const struct command *c = commands; c->name; c++)
    if (takes_script(c))
      bash_script(o, c);
  out_text(o, "  if [[ $values == - && $cur == -* ]]; then\n"
              "    case $command in\n");
  for (const struct command *c = commands; c->name; c++) {
    out_text(o, "    ");
    out_text(o, c->name);
    out_text(o, ") values='--help");
    for (const struct option *t = options_of(c); t->name; t++)
      if (!t->later) {
        out_text(o, " --");
        out_text(o, t->name);
      }
    out_text(o, "' ;;\n");
  }
  out_text(o, "    esac\n"
              "  elif [[ $values == - ]]; then\n"
              "    case $command in\n");
  for (const struct command *c = commands; c->name; c++) {
    if (!c->words)
      continue;
    out_text(o, "    ");
    out_text(o, c->name);
    out_text(o, ") values='");
    if (is_file(c->words))
      out_text(o, "/");
    else
      add_commands(o);
    out_text(o, "' ;;\n");
  }
  out_text(o,
           "    esac\n"
           "  fi\n"
           "  case $values in\n"
           "  - | '') ;;\n"
           "  /)\n"
           "    compopt -o filenames 2>/dev/null\n"
           "    mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
           "    ;;\n"
           "  *) mapfile -t COMPREPLY < <(compgen -W \"$values\" -- \"$cur\") "
           ";;\n"
           "  esac\n"
           "}\n"
           "complete -F _cordon cordon\n");
}

/* ----------------------------------------------------------------- zsh --- */

/* In a specification of _arguments brackets end, and colons part. */
static void zsh_text(struct out *o, const char *text) {
  for (; *text; text++) {
    if (strchr("[]:\\", *text))
      out_text(o, "\\");
    if (*text == '\'')
      out_text(o, "'\\''");
    else
      out_add(o, text, 1);
  }
}

static void zsh_option(struct out *o, const struct command *c,
                       const struct option *t) {
  char text[BRIEF_MAX + 1];
  const char *equals = t->value ? "=" : "";
  out_text(o, "      ");
  if (t->letter) {
    snprintf(text, sizeof text, "'%s'{-%c%s,--%s%s}'", t->repeats ? "*" : "",
             t->letter, t->value ? "+" : "", t->name, equals);
  } else {
    snprintf(text, sizeof text, "'%s--%s%s", t->repeats ? "*" : "", t->name,
             equals);
  }
  out_text(o, text);
  brief(c->help, t, text);
  out_text(o, "[");
  zsh_text(o, text);
  out_text(o, "]");
  if (t->value) {
    out_text(o, ":");
    if (is_choice(t)) {
      out_text(o, t->name);
      out_text(o, ":(");
      add_choices(o, t->value);
      out_text(o, ")");
    } else {
      out_text(o, t->value);
      out_text(o, is_file(t->value) ? ":_files" : ": ");
    }
  }
  out_text(o, "' \\\n");
}

static void zsh(struct out *o) {
  out_text(o, "#compdef cordon\n"
              "# made by: cordon help --completion zsh\n"
              "_cordon() {\n"
              "  local context state state_descr line\n"
              "  local -A opt_args\n"
              "  local -a commands=(\n");
  for (const struct command *c = commands; c->name; c++) {
    out_text(o, "    '");
    out_text(o, c->name);
    out_text(o, ":");
    add_quoted(o, c->brief);
    out_text(o, "'\n");
  }
  out_text(o, "  )\n"
              "  _arguments -C '(- *)'{-h,--help}'[an overview]' \\\n"
              "    '(- *)'{-V,--version}'[the version]' \\\n"
              "    '1: :->command' '*:: :->rest' && return\n"
              "  case $state in\n"
              "  command) _describe -t commands command commands ;;\n"
              "  rest)\n"
              "    case $words[1] in\n");
  for (const struct command *c = commands; c->name; c++) {
    out_text(o, "    ");
    out_text(o, c->name);
    out_text(o, ")\n      _arguments -s -S");
    out_text(o, takes_script(c) ? " -A '-*' \\\n" : " \\\n");
    for (const struct option *t = options_of(c); t->name; t++)
      if (!t->later)
        zsh_option(o, c, t);
    out_text(o, "      '(- *)'{-h,--help}'[its options]'");
    if (c->words && is_file(c->words)) {
      out_text(o, " \\\n      '*:file:_files'");
    } else if (c->words) {
      out_text(o, " \\\n      '1:command:(");
      add_commands(o);
      out_text(o, ")'");
    }
    out_text(o, "\n      ;;\n");
  }
  out_text(o, "    esac\n"
              "    ;;\n"
              "  esac\n"
              "}\n"
              "_cordon \"$@\"\n");
}

/* ---------------------------------------------------------------- fish --- */

static void fish_option(struct out *o, const struct command *c,
                        const struct option *t) {
  char text[BRIEF_MAX + 1];
  out_text(o, "complete -c cordon -n '__cordon_command ");
  out_text(o, c->name);
  out_text(o, takes_script(c) ? "; and not __cordon_script'" : "'");
  if (t->letter) {
    snprintf(text, sizeof text, " -s %c", t->letter);
    out_text(o, text);
  }
  out_text(o, " -l ");
  out_text(o, t->name);
  if (is_choice(t)) {
    out_text(o, " -x -a '");
    add_choices(o, t->value);
    out_text(o, "'");
  } else if (t->value) {
    out_text(o, is_file(t->value) ? " -r -F" : " -x");
  }
  brief(c->help, t, text);
  out_text(o, " -d '");
  for (const char *p = text; *p; p++) {
    if (*p == '\'' || *p == '\\') /* fish has no other way to quote */
      out_text(o, "\\");
    out_add(o, p, 1);
  }
  out_text(o, "'\n");
}

/* Does the script of |c| stand before the cursor? */
static void fish_script(struct out *o, const struct command *c) {
  out_text(o, "function __cordon_script\n"
              "  set -l words (commandline -opc)\n"
              "  set -l at 3\n"
              "  contains -- ");
  out_text(o, c->name);
  out_text(o, " $words[2]; or return 1\n"
              "  while test $at -le (count $words)\n"
              "    if contains -- $words[$at] ");
  add_valued(o, c, " ");
  out_text(o, "\n"
              "      set at (math $at + 1)\n"
              "    else if not string match -q -- '-?*' $words[$at]\n"
              "      return 0\n"
              "    end\n"
              "    set at (math $at + 1)\n"
              "  end\n"
              "  return 1\n"
              "end\n");
}

static void fish(struct out *o) {
  out_text(o, "# fish completion for cordon, made by: cordon help --completion "
              "fish\n"
              "function __cordon_command\n"
              "  set -l words (commandline -opc)\n"
              "  test (count $words) -ge 2; and contains -- $words[2] $argv\n"
              "end\n"
              "function __cordon_first\n"
              "  test (count (commandline -opc)) -eq 1\n"
              "end\n"
              "complete -c cordon -f\n"
              "complete -c cordon -n __cordon_first -s V -l version "
              "-d 'the version'\n");
  for (const struct command *c = commands; c->name; c++)
    if (takes_script(c))
      fish_script(o, c);
  out_text(o, "complete -c cordon -n 'not __cordon_script' -s h -l help -d 'an "
              "overview, or the options "
              "of a command'\n");
  for (const struct command *c = commands; c->name; c++) {
    out_text(o, "complete -c cordon -n __cordon_first -a ");
    out_text(o, c->name);
    out_text(o, " -d '");
    out_text(o, c->brief);
    out_text(o, "'\n");
    for (const struct option *t = options_of(c); t->name; t++)
      if (!t->later)
        fish_option(o, c, t);
    if (c->words) {
      out_text(o, "complete -c cordon -n '__cordon_command ");
      out_text(o, c->name);
      if (is_file(c->words)) {
        out_text(o, "' -F\n");
      } else {
        out_text(o, "' -a '");
        add_commands(o);
        out_text(o, "'\n");
      }
    }
  }
}

int completion_print(const char *shell) {
  struct out o;
  out_init(&o, STDOUT_FILENO);
  if (strcmp(shell, "bash") == 0)
    bash(&o);
  else if (strcmp(shell, "zsh") == 0)
    zsh(&o);
  else if (strcmp(shell, "fish") == 0)
    fish(&o);
  else
    return say_usage("help", "unknown shell '%s', expected bash, zsh or fish",
                     shell);
  return out_finish(&o, STATUS_OK);
}
