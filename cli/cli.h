// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Elo authors
/*
 * The command `elo`: verbs, options, exit codes, and how it talks to people.
 *
 * A verb is one row of the table in main.c and one file: its help with examples, and its run().
 * Data goes to stdout; everything else - progress, hints, errors - to stderr. An error names the
 * cause and the cure, by preference from the one list (errors/explain.h), and the exit code tells
 * scripts what kind it was. Colours and animation only on a terminal that wants them.
 */
#ifndef ELO_CLI_CLI_H
#define ELO_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "elo/base/err.h"

enum exit_code {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_FINDINGS = 3,
    EXIT_ABSENT = 4,  /* not found */
    EXIT_REFUSED = 5, /* denied by policy, certificate or signature */
    EXIT_NETWORK = 6,
    EXIT_TLS = 7,
    EXIT_DEVICE = 8,
    EXIT_TIMEOUT = 9,
    EXIT_CONFLICT = 10, /* exists already, version differs */
    EXIT_INTERRUPT = 130,
    EXIT_TERMINATED = 143
};

/* The exit code that fits a reason. */
int exit_code_of(elo_err err);

/* In the place of an exit code: nothing has ended yet. */
enum { GO_ON = -1 };

struct verb {
    const char *name;
    const char *summary;               /* one line of `elo --help` */
    const char *help;                  /* the whole of `elo VERB --help`, examples first */
    int (*run)(int argc, char **argv); /* argv[0] is the verb's name */
};

/* One verb each, in the file of its name. */
int verb_serve(int argc, char **argv);
int verb_up(int argc, char **argv);
int verb_env(int argc, char **argv);
int verb_aws(int argc, char **argv);
int verb_add(int argc, char **argv);
int verb_device(int argc, char **argv);
int verb_sub(int argc, char **argv);
int verb_pub(int argc, char **argv);
int verb_demo(int argc, char **argv);
int verb_explain(int argc, char **argv);
int verb_why(int argc, char **argv);

extern const char help_serve[], help_up[], help_env[], help_aws[], help_add[], help_device[],
    help_sub[], help_pub[], help_demo[], help_explain[], help_why[];

/* --- talking to people (say.c) ------------------------------------------------------------------
 */

/* May this stream (1 or 2) have colours? A terminal, and neither NO_COLOR nor TERM=dumb; or forced
 * by CLICOLOR_FORCE. */
bool say_colour(int fd);

/* A line of a story that goes on, to stdout and at once: someone may be reading along. */
void say_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "elo: " and the text, to stderr. */
void say_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A reason from the list: slug and cause, `particulars` (may be NULL), cure. Its exit code. */
int say_reason(elo_err err, const char *particulars);

/* "elo: VERB: text", a pointer to --help, EXIT_USAGE. */
int say_usage(const char *verb, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes out what stdout still holds. `code`, or EXIT_FAILED (said) if it cannot be written. A
 * reader that has gone away, as `head` does, is no failure. */
int say_end(int code);

/* Has the reader of stdout gone, or the disk filled up? Then there is nobody to talk to. */
bool say_is_deaf(void);

/* `text` as one word of a shell's command line, quoted only if it must be. Free the buffer. */
struct buf;
const char *shell_word(const char *text, struct buf *out);

/* --- options (options.c) -------------------------------------------------------------------------
 */

enum option_kind {
    OPTION_FLAG,   /* bool */
    OPTION_TEXT,   /* const char * */
    OPTION_NUMBER, /* long, from low to high */
    OPTION_TIME    /* long, milliseconds, from low to high */
};

struct option_spec {
    const char *name; /* "--count" */
    char letter;      /* 'C', 0: none */
    enum option_kind kind;
    void *to;
    long low, high;
};

/* What a command line may hold: options, and up to `word_cap` other words. */
struct syntax {
    const char *help;
    const struct option_spec *options;
    size_t option_count;
    const char **words;
    size_t word_cap;
};

/*
 * Reads argv[1 ...], options in any position; after `--` all are words. GO_ON, or the exit code to
 * leave with: --help has been printed, or what is wrong has been said. `*out_words`: how many; may
 * be NULL with word_cap 0.
 */
int options_parse(const struct syntax *syntax, int argc, char **argv, size_t *out_words);

/* The i-th candidate of a list, NULL past its end. */
typedef const char *(*candidate_fn)(const void *list, size_t i);

/* The candidate that `word` was probably meant to be; NULL if none is near. */
const char *did_you_mean(const char *word, candidate_fn candidate, const void *list);

/*
 * The data folder: `given`, or $ELO_DATA, or $XDG_DATA_HOME/elo, or ~/.local/share/elo. Absolute.
 * false when none can be made out (said).
 */
bool data_folder(const char *given, char *out, size_t cap);

/* " --data DIR" for the commands that are proposed to a person, "" when DIR is the default one.
 * Free the buffer. */
const char *data_option(const char *dir, struct buf *out);

/* A whole number in [low, high]; false if the text is none. */
bool parse_number(const char *text, long low, long high, long *out);

/* "500ms", "20s", "3m", "1h" or a bare number of seconds, in milliseconds; false if it is none. */
bool parse_duration(const char *text, long *out_ms);

#endif
