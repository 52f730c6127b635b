/* cli/opt.h - options from tables: one table per group gives parsing, checks,
 * usage and help.
 *
 * Long options are never abbreviated: `--sample` is an error that names
 * `--samples`, so that a new option cannot change what a script means. */
#ifndef CLI_OPT_H
#define CLI_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* NULL-terminated; NULL while empty. */
typedef struct oq_opt_list {
  const char **items;
  size_t n;
} oq_opt_list;

typedef struct oq_opt_real {
  bool set;
  double value;
} oq_opt_real;

/* What a field of the options struct is. */
typedef enum oq_opt_kind {
  OQ_OPT_FLAG,   /* bool */
  OQ_OPT_COUNT,  /* unsigned, one more per occurrence */
  OQ_OPT_TEXT,   /* const char * */
  OQ_OPT_CHOICE, /* const char *, one of the words of `arg`, "a|b|c" */
  OQ_OPT_LIST,   /* oq_opt_list, one more per occurrence */
  OQ_OPT_UINT,   /* uint64_t, between lo and hi */
  OQ_OPT_INT,    /* int64_t, likewise */
  OQ_OPT_REAL,   /* oq_opt_real, likewise */
  OQ_OPT_SIZE,   /* uint64_t bytes, "512M" */
  OQ_OPT_HELP
} oq_opt_kind;

typedef struct oq_opt {
  const char *name; /* without the dashes */
  char letter;      /* 0 = none */
  oq_opt_kind kind;
  size_t at;        /* of the field, within the struct of the group */
  const char *arg;  /* how help names the value; NULL for flags */
  const char *help; /* one line; a leading '+' keeps it out of --help */
  double lo, hi;    /* both 0 = no limits */
} oq_opt;

typedef struct oq_opt_group {
  const char *title;
  const oq_opt *rows; /* the last one has no name */
  size_t at;          /* of the group's struct, within that of the command */
} oq_opt_group;

typedef struct oq_opt_command {
  const char *name;
  const char *about;    /* one line for the list of commands */
  const char *usage;    /* what follows the name */
  const char *examples; /* lines, or NULL */
  const oq_opt_group *groups;
  size_t n_groups;
  size_t min_names, max_names; /* words that are not options */
  const char *names;           /* what they are, "MODEL" */
} oq_opt_command;

typedef enum oq_opt_result {
  OQ_OPT_GO,
  OQ_OPT_SHOW_HELP,
  OQ_OPT_BAD /* reported on stderr */
} oq_opt_result;

/* Parses argv[1..] into `options`, which is zeroed storage of the command's
 * struct.  Strings are borrowed from argv.  oq_opt_release frees the lists,
 * whatever the result. */
oq_opt_result oq_opt_parse(void *options, oq_opt_list *names,
                           const oq_opt_command *c, int argc, char **argv);
void oq_opt_release(void *options, oq_opt_list *names, const oq_opt_command *c);

/* One screen; with `all`, every option on its own line. */
void oq_opt_help(FILE *to, const oq_opt_command *c, bool all);

/* Of `words` the one that `word` was probably meant to be, or NULL. */
const char *oq_opt_nearest(const char *word, const char *const *words,
                           size_t n);

/* "2G", "512M", "100k", "4096"; powers of 1024. */
bool oq_opt_size(uint64_t *out, const char *text);
/* The whole text is one finite number. */
bool oq_opt_number(double *out, const char *text);

/* Appends a borrowed string; false if there is no memory. */
bool oq_opt_append(oq_opt_list *l, const char *text);

#endif
