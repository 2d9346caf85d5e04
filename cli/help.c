/* help.c - cordon help: what the program says about itself. */
#include "cli/cli.h"

#include "cli/options.h"
#include "cli/print.h"

#include <stdio.h>
#include <unistd.h>

static const char overview_head[] =
    "usage: cordon COMMAND ...\n"
    "\n"
    "Runs Lua scripts that nobody has to trust: every connection they open is\n"
    "decided by a policy.\n"
    "\n"
    "commands:\n";

static const char overview_tail[] =
    "\n"
    "  cordon help COMMAND   its options, with examples\n"
    "  cordon --version      the version\n"
    "\n"
    "examples:\n"
    "  cordon run -p policy.yaml script.lua\n"
    "  cordon run --allow 'wss://stream.example.com/prices/*' script.lua\n"
    "  cordon check policies/\n"
    "  cordon eval -p policy.yaml --url wss://stream.example.com/prices/btc\n"
    "\n"
    "Answers go to standard output, words to standard error.\n"
    "Exit status: 0 done, allow, clean; 1 the script failed, or the answer is\n"
    "no; 2 usage, or a file that cannot be read; 3 a policy or a script does "
    "not\n"
    "load; 4 the answer was forced by an evaluation error; 10 CPU limit;\n"
    "11 memory limit; 12 deadline; 13 another limit; 20 isolation could not "
    "be\n"
    "set up; 21 the worker process died; 130 and 143 after SIGINT and\n"
    "SIGTERM.\n";

#define SUBJECT_HELP                                                           \
  "  -p, --policy PATH     a policy file, or a folder: every *.yaml and "      \
  "*.yml\n"                                                                    \
  "                        below it, in order (but not policy tests,\n"        \
  "                        *_test.yaml); may be given more than once\n"        \
  "      --allow PATTERN   allow connections to the URLs that match, such "    \
  "as\n"                                                                       \
  "                        'wss://api.example.com/chat/*'; weakens no deny;\n" \
  "                        may be given more than once\n"                      \
  "      --scope ID        only the policies of this group, or this policy, "  \
  "are\n"                                                                      \
  "                        in force ('ns:name'; a bare name where only one\n"  \
  "                        fits); may be given more than once; without it,\n"  \
  "                        every policy is\n"                                  \
  "      --actor ID        for whom it is done; 'local' without it\n"          \
  "      --actor-meta K=V  an attribute of the actor; V is YAML:\n"            \
  "                        role=admin, level=3, teams=[a, b]; may be given\n"  \
  "                        more than once\n"

#define LIMITS_HELP \
  "limits:\n" \
  "      --memory SIZE     memory of the script; 64MiB without it\n" \
  "      --cpu DURATION    CPU time of all its tasks; 10s without it\n" \
  "      --deadline DURATION\n" \
  "                        time on the wall, until all output is gone; none\n" \
  "                        without it\n" \
  "      --max-connections N\n" \
  "                        connections open at a time; 64 without it\n" \
  "      --max-connects-per-minute N\n" \
  "                        connections opened in a minute; 600 without it\n" \
  "      --max-tasks N     tasks and coroutines alive at a time; 10000 without\n" \
  "                        it\n" \
  "      --max-timers N    timers pending at a time; 10000 without it\n" \
  "      --max-output SIZE what it prints in all; 64MiB without it\n" \
  "                        (sizes: 4096, 64KiB, 10MB, 1GiB; durations: " \
  "500ms,\n" \
  "                        10s, 1m30s, 2h)\n" \
  "\n" \
  "recording:\n" \
  "      --audit FILE      append each decision, before it takes effect, " \
  "and\n" \
  "                        each connection as JSON lines ('-': to standard\n" \
  "                        output); what cannot be recorded is refused\n" \
  "      --audit-query     write the values in queries of URLs, which are\n" \
  "                        redacted without it\n" \
  "      --mode MODE       what is done where no policy allows: 'enforce' " \
  "refuses,\n" \
  "                        'complain' lets it through and records it; what " \
  "a\n" \
  "                        policy denies is refused in both\n" \
  "      --dry-run         decide and record every connect, and open " \
  "nothing\n" \
  "\n"

#define OTHERS_HELP \
  "others:\n" \
  "      --ca FILE         PEM certificates to trust beside the system's,\n" \
  "                        and lists of revoked ones (CRLs)\n" \
  "      --isolation LEVEL where the script runs: 'process', the default, " \
  "is a\n" \
  "                        worker process that can open nothing; " \
  "'inprocess'\n" \
  "                        does without it: for scripts whose authors do " \
  "not\n" \
  "                        attack the Lua interpreter itself\n"

const char help_run[] =
    "usage: cordon run [OPTION...] SCRIPT [ARG...]\n"
    "       cordon run [OPTION...] MANIFEST.yaml\n"
    "\n"
    "Runs a Lua script under policy.  '-' reads it from standard input.  What\n"
    "stands behind SCRIPT is the script's.  Without a policy every connection "
    "is\n"
    "refused; each refusal is told once, with what would allow it.\n"
    "\n"
    "policy:\n" SUBJECT_HELP "\n"
    LIMITS_HELP OTHERS_HELP
    "  -q, --quiet           do not tell refusals\n"
    "      --grace DURATION  time that the scripts of a manifest have to end\n"
    "                        after a signal; 5s without it\n"
    "      --format FORMAT   'text'; or of a manifest 'json': JSON lines of what\n"
    "                        its scripts print and of what becomes of them\n"
    "                        (doc/run.schema.json)\n"
    "      --watch           run it again each time that it, a module it has\n"
    "                        required or one of its policies changes, until\n"
    "                        SIGINT or SIGTERM; a manifest is read again as at\n"
    "                        SIGHUP\n"
    "  -h, --help            this text\n"
    "\n"
    "A manifest is a file that ends in .yaml or .yml: its entries of kind\n"
    "process.lua say which scripts run side by side, each in a sandbox of its\n"
    "own, with which actor, policies, modules and limits; and when one that "
    "has\n"
    "ended is started again (cordon-manifest(5)).  Lines they print have the\n"
    "name of their entry in front.  Options about actors, scopes and limits "
    "are\n"
    "for single scripts.  The exit status is 0 if the last run of each ended\n"
    "well, else that of the first in the file whose last run did not.\n"
    "\n"
    "require finds the modules websocket, time, json, security, channel and\n"
    "errors, and Lua files beside the script: require 'a.b' is a/b.lua or\n"
    "a/b/init.lua in the script's folder, where symbolic links are not\n"
    "followed.  A script from standard input has the modules only.\n"
    "\n"
    "Standard output is what the script prints, byte for byte; on a terminal,\n"
    "escape sequences are made visible.  If it cannot be written (a full disk, "
    "a\n"
    "pipe whose reader is gone), the script is stopped in good order: status "
    "1.\n"
    "SIGINT and SIGTERM stop it in good order too, a second one at once.  At\n"
    "SIGHUP the policies are read again: a file with a mistake leaves the old\n"
    "ones in force.\n"
    "\n"
    "examples:\n"
    "  cordon run -p policy.yaml prices.lua BTC ETH\n"
    "  cordon run --allow 'wss://echo.example.com' --deadline 1m - < "
    "script.lua\n"
    "  cordon run -p policy.yaml --mode complain --audit audit.jsonl x.lua\n"
    "  cordon run -p policies/ --scope app.security:default --memory 128MiB "
    "x.lua\n"
    "  cordon run --watch -p policies/ x.lua\n"
    "\n"
    "status: 0 done; 1 the script failed; 2 usage, or a file that cannot be "
    "read;\n"
    "3 a policy or the script does not load; 10 CPU limit; 11 memory limit;\n"
    "12 deadline; 13 another limit; 20 isolation; 21 worker; 130 SIGINT; 143 "
    "SIGTERM\n";

const char help_repl[] =
    "usage: cordon repl [OPTION...]\n"
    "\n"
    "Reads Lua from standard input, runs each chunk when it is complete, and\n"
    "prints what it returns; of an expression its value.  Globals stay from "
    "one\n"
    "chunk to the next, locals do not.  All chunks run in one sandbox, under "
    "the\n"
    "policies and limits of the options, which count for all of them together.\n"
    "When a limit stops it on a terminal, a new sandbox begins: what was "
    "defined\n"
    "is gone.  Elsewhere nothing is run behind that, nor behind a chunk of more\n"
    "than 2000 lines or 1 MiB: what follows could mean anything.\n"
    "\n"
    "policy:\n" SUBJECT_HELP "\n" LIMITS_HELP OTHERS_HELP
    "  -q, --quiet           do not tell refusals\n"
    "  -h, --help            this text\n"
    "\n"
    "require finds what it finds for a script in the current folder.  On a\n"
    "terminal Ctrl-C ends what is running, or drops what was typed, and Ctrl-D\n"
    "leaves; the arrow keys move in the line, and up to lines before.  What is\n"
    "printed is bounded; escape sequences are made visible.\n"
    "\n"
    "examples:\n"
    "  cordon repl -p policy.yaml\n"
    "  echo '1 + 1' | cordon repl\n"
    "\n"
    "status: 0 done; 2 usage, or a file that cannot be read; 3 a policy does "
    "not\n"
    "load; 20 isolation; 143 SIGTERM.  Where standard input is no terminal also:\n"
    "1 a chunk failed; 3 a chunk is too long; 10 CPU limit; 11 memory limit;\n"
    "12 deadline; 13 another limit; 21 worker; 130 SIGINT\n";

const char help_check[] =
    "usage: cordon check [OPTION...] PATH...\n"
    "       cordon check --explain CODE\n"
    "\n"
    "Loads policy files, or every *.yaml and *.yml below a folder, as one set "
    "and\n"
    "prints on standard output everything wrong with them:\n"
    "file:line:column: message, and the line; or, if they load, everything "
    "unwise,\n"
    "with a code, the reason and what to write instead.  Of manifests (entries "
    "of\n"
    "kind process.lua) the scripts and modules they name are looked at too, "
    "and not\n"
    "run.  Tests (*_test.yaml) in the folders are run to see what they leave\n"
    "untested.\n"
    "\n"
    "      --format FORMAT   how findings are printed: text, json\n"
    "                        (doc/check.schema.json), sarif (2.1.0) or github\n"
    "                        (workflow commands)\n"
    "      --fail-level L    the least that makes the status 1: note, warning\n"
    "                        (unless given) or error\n"
    "      --explain CODE    all about one code: why, examples, how to correct "
    "it\n"
    "      --catalogue FILE  YAML with the names that there are: lists "
    "'actions',\n"
    "                        'groups', 'policies', 'actor'; what is in none of "
    "them\n"
    "                        is told\n"
    "      --compat          read what only the original runtime took, and "
    "tell it\n"
    "      --fix             correct in the files what can be corrected and "
    "changes\n"
    "                        no answer; comments stay\n"
    "  -q, --quiet           no summary on standard error\n"
    "  -h, --help            this text\n"
    "\n"
    "A policy says what is right as it is, with the reason:\n"
    "  meta: {lint: {silence: {CODE: \"reason\"}}}\n"
    "\n"
    "examples:\n"
    "  cordon check policy.yaml\n"
    "  cordon check --format sarif policies/ >check.sarif\n"
    "  cordon check --explain network-too-wide\n"
    "\n"
    "status: 0 nothing as bad as --fail-level; 1 findings; 2 usage, or a path "
    "that\n"
    "cannot be read; 3 the policies do not load\n";

const char help_eval[] =
    "usage: cordon eval [OPTION...] --url URL [--resolve IP]\n"
    "       cordon eval [OPTION...] --action A [--resource R] [--meta JSON]\n"
    "       cordon eval [OPTION...] --input FILE\n"
    "\n"
    "Asks the policies for a decision.  Nothing is resolved or connected.\n"
    "\n"
    "question:\n"
    "      --url URL         a WebSocket URL: asks for the actions\n"
    "                        websocket.connect and websocket.connect.url, as\n"
    "                        a script that connects; the first refusal is the\n"
    "                        answer\n"
    "      --resolve IP      an address of its host: asks for the action\n"
    "                        websocket.connect.address, too\n"
    "      --action A        any other action\n"
    "      --resource R      its resource; empty without it\n"
    "      --meta JSON       its attributes, an object\n"
    "      --input FILE      many questions: a JSON object a line; '-' is\n"
    "                        standard input\n"
    "\n"
    "policy:\n" SUBJECT_HELP "\n"
    "others:\n"
    "      --format FORMAT   how the answer is printed: text or json; text\n"
    "                        without it; --input is answered in json\n"
    "  -q, --quiet           no explanation of a refusal on standard error\n"
    "  -h, --help            this text\n"
    "\n"
    "The first line of the answer is allow, deny, undefined (no policy "
    "speaks:\n"
    "refused) or invalid (the URL is refused, its reason is a code).\n"
    "\n"
    "Lines of --input: {\"id\": any, \"url\": \"...\"}, with \"address\": "
    "\"ip:port\" if\n"
    "wanted, or {\"id\", \"action\", \"resource\", \"meta\"}; both may have\n"
    "\"actor\": {\"id\", \"meta\"} and \"scope\": [\"...\"].  Each is answered "
    "by one\n"
    "line, in the same order: {\"v\": 1, \"id\", \"decision\", \"policy\", "
    "\"canonical\",\n"
    "\"reason\", \"errors\"}.  A line that is no question is answered invalid, "
    "with a\n"
    "message in errors.  A line may hold 1 MiB.\n"
    "\n"
    "examples:\n"
    "  cordon eval -p policy.yaml --url wss://stream.example.com/prices/btc\n"
    "  cordon eval -p policy.yaml --url wss://api.example.com --resolve "
    "10.0.0.7\n"
    "  cordon eval -p policies/ --actor user:1 --actor-meta role=admin \\\n"
    "      --action read --resource document:7\n"
    "  cordon eval -p policies/ --input questions.jsonl > answers.jsonl\n"
    "\n"
    "status: 0 allow, or every line of --input was answered; 1 deny, undefined "
    "or\n"
    "invalid; 2 usage, or a file that cannot be read; 3 a policy does not "
    "load;\n"
    "4 the refusal was forced by an evaluation error\n";

const char help_explain[] =
    "usage: cordon explain [OPTION...] --url URL [--resolve IP]\n"
    "       cordon explain [OPTION...] --action A [--resource R] [--meta "
    "JSON]\n"
    "\n"
    "Answers the question of cordon eval at length: the canonical URL and its\n"
    "parts; the policy and the rule that decided; all others that apply or "
    "could\n"
    "not be evaluated; of a refusal the policies that came nearest to allowing "
    "it,\n"
    "what each would have wanted, and the least that would allow it.  Nothing "
    "is\n"
    "resolved or connected.\n"
    "\n"
    "question:\n"
    "      --url URL         a WebSocket URL: what a script that connects "
    "asks,\n"
    "                        step by step\n"
    "      --resolve IP      an address of its host: asks for the action\n"
    "                        websocket.connect.address, too\n"
    "      --action A        any other action\n"
    "      --resource R      its resource; empty without it\n"
    "      --meta JSON       its attributes, an object\n"
    "\n"
    "policy:\n" SUBJECT_HELP "\n"
    "others:\n"
    "      --misses N        how many that came near, 1 to 16; 3 without it\n"
    "      --format FORMAT   how it is printed: text or json\n"
    "                        (doc/explain.schema.json); text without it\n"
    "  -h, --help            this text\n"
    "\n"
    "The first line is that of cordon eval: allow, deny, undefined or "
    "invalid.\n"
    "\n"
    "examples:\n"
    "  cordon explain -p policy.yaml --url "
    "wss://stream.example.com:8443/prices\n"
    "  cordon explain -p policies/ --scope app:default --actor user:1 \\\n"
    "      --actor-meta role=guest --action read --resource document:7\n"
    "\n"
    "status: as of cordon eval: 0 allow; 1 deny, undefined or invalid; 2 "
    "usage, or\n"
    "a file that cannot be read; 3 a policy does not load; 4 the refusal was "
    "forced\n"
    "by an evaluation error\n";

const char help_test[] =
    "usage: cordon test [OPTION...] PATH...\n"
    "\n"
    "Runs policy tests: files, or every *_test.yaml and *_test.yml below a "
    "folder.\n"
    "Each failing expectation is explained: what was expected, what came, "
    "which\n"
    "policy decided or came nearest, and what would allow it.\n"
    "\n"
    "      --run GLOB        only tests whose names match, such as "
    "'readers *'\n"
    "      --format FORMAT   how results are printed: text, tap or junit; text\n"
    "                        without it\n"
    "      --coverage        which policies, rules and outcomes of conditions "
    "no\n"
    "                        test has come to\n"
    "      --mutate          make the policies wrong in small ways, one at a "
    "time:\n"
    "                        another effect; a rule, a pattern or a condition "
    "less;\n"
    "                        a wider pattern; each that no test notices is "
    "listed,\n"
    "                        and is a failure\n"
    "  -q, --quiet           text: only what failed, and no summary\n"
    "  -h, --help            this text\n"
    "\n"
    "A test file:\n"
    "  policies: [.]              # files or folders, from this file's folder\n"
    "  actors:\n"
    "    reader: {id: \"user:1\", meta: {role: reader}}\n"
    "  tests:\n"
    "    - name: readers see prices\n"
    "      actor: reader\n"
    "      scope: [default]       # groups or policies; every policy without "
    "it\n"
    "      allow: [\"wss://stream.example.com/prices/btc\"]\n"
    "      deny: [\"wss://stream.example.com/admin\"]\n"
    "    - name: address guard\n"
    "      actor: reader\n"
    "      action: websocket.connect.address\n"
    "      resource: \"10.20.3.4:443\"\n"
    "      meta: {host: stream.example.com}\n"
    "      expect: deny           # allow, deny, undefined or error\n"
    "      policy: app:guard      # who must have decided, if it matters\n"
    "\n"
    "'allow' and 'deny' ask what websocket.connect asks for a URL; 'deny' "
    "holds "
    "for\n"
    "every refusal.  An address may have 'url', the URL it is dialled for.\n"
    "\n"
    "examples:\n"
    "  cordon test policies/\n"
    "  cordon test --coverage --mutate policies/prices_test.yaml\n"
    "  cordon test --format junit policies/ >report.xml\n"
    "\n"
    "status: 0 all passed; 1 some failed, or a mutant survives; 2 usage, or a "
    "file\n"
    "that cannot be read; 3 a test file or a policy does not load\n";

const char help_fmt[] =
    "usage: cordon fmt [OPTION...] PATH...\n"
    "       cordon fmt [OPTION...] -\n"
    "\n"
    "Rewrites policy files, or every *.yaml and *.yml below a folder, in "
    "their\n"
    "canonical layout, and prints the names of those that changed.  Comments "
    "are\n"
    "kept, what a file means is not changed.  '-' formats standard input to\n"
    "standard output.\n"
    "\n"
    "      --check           write nothing; print the names of files that are "
    "not\n"
    "                        formatted, with status 1\n"
    "      --diff            write nothing; print what would change, with "
    "status 1\n"
    "                        if anything would\n"
    "  -h, --help            this text\n"
    "\n"
    "The layout: two blanks a level; keys in the order name, kind, meta, "
    "policy,\n"
    "groups and actions, resources, effect, rules, conditions, expression, "
    "each\n"
    "with its comments; entries, policies, rules and conditions one a line, "
    "other\n"
    "lists and maps in brackets if they were and fit in 80 columns; strings "
    "without\n"
    "quotes where no YAML reader takes them for anything else; one blank line\n"
    "around entries.  Entries of other kinds keep their order and words.\n"
    "\n"
    "A file is replaced in one step and keeps its mode.  Symbolic links are "
    "passed\n"
    "over below a folder; a link that is named is refused.\n"
    "\n"
    "examples:\n"
    "  cordon fmt policies/\n"
    "  cordon fmt --check policies/ || echo 'run cordon fmt'\n"
    "  cordon fmt - < policy.yaml\n"
    "\n"
    "status: 0 done, or everything is formatted; 1 --check or --diff found "
    "what is\n"
    "not; 2 usage, or a file that cannot be read or written; 3 a file is no "
    "YAML\n"
    "that loads, or no policy file, manifest or suite of tests\n";

const char help_schema[] =
    "usage: cordon schema\n"
    "\n"
    "Prints a JSON Schema (draft 7) of policy files.  Editors with a YAML "
    "language\n"
    "server complete and check policies with it, if the first line of a file "
    "is:\n"
    "# yaml-language-server: $schema=policy.schema.json\n"
    "\n"
    "'cordon check' finds more: what patterns, fields and expressions say is "
    "beyond\n"
    "a schema.\n"
    "\n"
    "example:\n"
    "  cordon schema > policy.schema.json\n"
    "\n"
    "status: 0; 2 usage\n";

const char help_doctor[] =
    "usage: cordon doctor [OPTION...]\n"
    "\n"
    "Says what this machine and this build support.  Each step of process\n"
    "isolation is tried in a process that runs nothing and is thrown away.\n"
    "\n"
    "      --format FORMAT   how it is printed: text, or json: one document, whose\n"
    "                        schema is doc/doctor.schema.json\n"
    "      --worker FILE     the helper program, if it is not the installed "
    "one\n"
    "  -h, --help            this text\n"
    "\n"
    "examples:\n"
    "  cordon doctor\n"
    "  cordon doctor --format json\n"
    "\n"
    "status: 0 scripts can be isolated in processes; 2 usage; 20 they cannot\n";

const char help_help[] =
    "usage: cordon help [COMMAND]\n"
    "       cordon help --completion SHELL\n"
    "\n"
    "Prints an overview, or the help of one command.\n"
    "\n"
    "      --completion SHELL\n"
    "                        what bash, zsh or fish completes by; 'make "
    "install'\n"
    "                        puts it where they look\n"
    "  -h, --help            this text\n"
    "\n"
    "examples:\n"
    "  cordon help run\n"
    "  . <(cordon help --completion bash)\n"
    "\n"
    "status: 0; 2 usage\n";

static void overview(struct out *o) {
  char line[96];
  out_text(o, overview_head);
  for (const struct command *c = commands; c->name; c++) {
    snprintf(line, sizeof line, "  %-8s %s\n", c->name, c->brief);
    out_text(o, line);
  }
  out_text(o, overview_tail);
}

int help_print(const struct command *command) {
  struct out o;
  out_init(&o, STDOUT_FILENO);
  if (command)
    out_text(&o, command->help);
  else
    overview(&o);
  return out_finish(&o, STATUS_OK);
}

void help_overview_words(void) {
  struct out o;
  out_init(&o, STDERR_FILENO);
  overview(&o);
  out_flush(&o);
}

const struct option help_options[] = {
    {"completion", 0, "bash|zsh|fish", false, false},
    {NULL, 0, NULL, false, false},
};

int command_help(int argc, char **argv) {
  struct options o = {.command = "help",
                      .table = help_options,
                      .argc = argc,
                      .argv = argv,
                      .at = 1};
  const struct command *command = NULL;
  const char *shell = NULL;
  const char *value;
  int got;
  while ((got = options_next(&o, &value)) != OPTION_END) {
    if (got == OPTION_BAD)
      return STATUS_USAGE;
    if (got == OPTION_HELP)
      return help_print(command_find("help"));
    if (got != OPTION_WORD) {
      shell = value;
      continue;
    }
    if (command)
      return say_usage("help", "unexpected '%s'", value);
    command = command_find(value);
    if (!command)
      return command_unknown(value);
  }
  if (shell && command)
    return say_usage("help", "'--completion' is for all commands");
  return shell ? completion_print(shell) : help_print(command);
}
