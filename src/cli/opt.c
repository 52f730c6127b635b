/* opt.c - options from tables. */
#include "cli/opt.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/term.h"

#define MAX_NEAR 64 /* longest word that is compared */

/* ---- words ----------------------------------------------------------------
 */
static size_t smallest(size_t a, size_t b, size_t c) {
  const size_t m = a < b ? a : b;

  return m < c ? m : c;
}

/* Edit distance with swaps of neighbours counted as one. */
static size_t distance(const char *a, const char *b) {
  size_t d[MAX_NEAR + 1][MAX_NEAR + 1];
  const size_t n = strlen(a), m = strlen(b);

  if (n > MAX_NEAR || m > MAX_NEAR) return SIZE_MAX;
  for (size_t i = 0; i <= n; i++) d[i][0] = i;
  for (size_t k = 0; k <= m; k++) d[0][k] = k;
  for (size_t i = 1; i <= n; i++) {
    for (size_t k = 1; k <= m; k++) {
      d[i][k] = smallest(d[i - 1][k] + 1, d[i][k - 1] + 1,
                         d[i - 1][k - 1] + (a[i - 1] != b[k - 1]));
      if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1] &&
          d[i - 2][k - 2] + 1 < d[i][k])
        d[i][k] = d[i - 2][k - 2] + 1;
    }
  }
  return d[n][m];
}

const char *oq_opt_nearest(const char *word, const char *const *words,
                           size_t n) {
  const size_t length = strlen(word);
  const char *best = NULL;
  size_t least = length / 3 + 1; /* farther is a guess */

  for (size_t i = 0; i < n; i++) {
    /* A beginning is what people mean by an abbreviation. */
    const bool begins = length >= 3 && strncmp(word, words[i], length) == 0;
    const size_t d = begins ? 1 : distance(word, words[i]);

    if (d > least || (best && d == least)) continue;
    best = words[i];
    least = d;
  }
  return best;
}

bool oq_opt_number(double *out, const char *text) {
  char *end;

  if ((*text < '0' || *text > '9') && *text != '-' && *text != '.' &&
      *text != '+')
    return false; /* no spaces, no "nan" */
  const double v = strtod(text, &end);
  if (end == text || *end || !isfinite(v)) return false;
  *out = v;
  return true;
}

bool oq_opt_size(uint64_t *out, const char *text) {
  static const char units[] = "kMGT";
  char *end;

  if (*text < '0' || *text > '9') return false;
  errno = 0;
  unsigned long long v = strtoull(text, &end, 10);
  if (errno || end == text) return false;
  if (*end) {
    const char *unit = strchr(units, *end == 'K' ? 'k' : *end);
    const unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;

    if (!unit || v > UINT64_MAX >> shift) return false;
    v <<= shift;
    end++;
    if (*end == 'i') end++;
    if (*end == 'B') end++;
    if (*end) return false;
  }
  *out = v;
  return true;
}

bool oq_opt_append(oq_opt_list *l, const char *text) {
  const char **p = realloc(l->items, (l->n + 2) * sizeof *p);

  if (!p) return false;
  p[l->n++] = text;
  p[l->n] = NULL;
  l->items = p;
  return true;
}

/* ---- tables ---------------------------------------------------------------
 */
typedef struct parser {
  const oq_opt_command *c;
  char *options;
} parser;

static const oq_opt *find_row(const oq_opt_group **group,
                              const oq_opt_command *c, const char *name,
                              size_t length, char letter) {
  for (size_t g = 0; g < c->n_groups; g++) {
    for (const oq_opt *row = c->groups[g].rows; row->name; row++) {
      if (name ? strlen(row->name) != length ||
                     strncmp(row->name, name, length) != 0
               : row->letter != letter)
        continue;
      *group = &c->groups[g];
      return row;
    }
  }
  return NULL;
}

static const char *near_option(const oq_opt_command *c, const char *name) {
  const char *words[128];
  size_t n = 0;

  for (size_t g = 0; g < c->n_groups; g++)
    for (const oq_opt *row = c->groups[g].rows; row->name && n < 128; row++)
      words[n++] = row->name;
  return oq_opt_nearest(name, words, n);
}

static oq_opt_result bad_option(const oq_opt_command *c, const char *name,
                                size_t length, char letter) {
  char word[MAX_NEAR + 1];

  char hint[MAX_NEAR + 64];

  (void)snprintf(hint, sizeof hint, "`onnxquant %s --help` lists the options",
                 c->name);
  if (letter) {
    oq_term_error(hint, "unknown option '-%c'", letter);
    return OQ_OPT_BAD;
  }
  (void)snprintf(word, sizeof word, "%.*s",
                 (int)(length < MAX_NEAR ? length : MAX_NEAR), name);
  const char *near = near_option(c, word);
  if (near) (void)snprintf(hint, sizeof hint, "did you mean '--%s'?", near);
  oq_term_error(hint, "unknown option '--%s'", word);
  return OQ_OPT_BAD;
}

/* ---- values ---------------------------------------------------------------
 */
static bool within(const oq_opt *row, double v) {
  return (row->lo == 0 && row->hi == 0) || (v >= row->lo && v <= row->hi);
}

static oq_opt_result bad_value(const oq_opt *row, const char *value,
                               const char *expected) {
  oq_term_error(expected, "'--%s %s' is not valid", row->name, value);
  return OQ_OPT_BAD;
}

static oq_opt_result take_number(void *field, const oq_opt *row,
                                 const char *value) {
  char expected[96];
  double v;
  const bool whole = row->kind != OQ_OPT_REAL;

  if (row->lo == 0 && row->hi == 0)
    (void)snprintf(expected, sizeof expected, "%s is a %snumber", row->arg,
                   whole ? "whole " : "");
  else
    (void)snprintf(expected, sizeof expected,
                   whole ? "%s is a whole number from %.0f to %.0f"
                         : "%s is a number from %.9g to %.9g",
                   row->arg, row->lo, row->hi);
  if (!oq_opt_number(&v, value) || !within(row, v) ||
      (whole && (v != floor(v) || fabs(v) > 9e15 || strchr(value, 'e'))) ||
      (row->kind == OQ_OPT_UINT && v < 0))
    return bad_value(row, value, expected);
  if (row->kind == OQ_OPT_UINT)
    *(uint64_t *)field = (uint64_t)v;
  else if (row->kind == OQ_OPT_INT)
    *(int64_t *)field = (int64_t)v;
  else
    *(oq_opt_real *)field = (oq_opt_real){true, v};
  return OQ_OPT_GO;
}

/* One of the words of "a|b|c", as a string that lives as long as argv. */
static oq_opt_result take_choice(const char **field, const oq_opt *row,
                                 const char *value) {
  const size_t length = strlen(value);
  char expected[160];

  for (const char *p = row->arg; p; p = strchr(p, '|')) {
    p += *p == '|';
    if (length && !strchr(value, '|') && strncmp(p, value, length) == 0 &&
        (!p[length] || p[length] == '|')) {
      *field = value;
      return OQ_OPT_GO;
    }
  }
  (void)snprintf(expected, sizeof expected, "one of %s", row->arg);
  return bad_value(row, value, expected);
}

static oq_opt_result store(void *field, const oq_opt *row, const char *value) {
  switch (row->kind) {
    case OQ_OPT_FLAG:
      *(bool *)field = true;
      return OQ_OPT_GO;
    case OQ_OPT_COUNT:
      ++*(unsigned *)field;
      return OQ_OPT_GO;
    case OQ_OPT_TEXT:
      *(const char **)field = value;
      return OQ_OPT_GO;
    case OQ_OPT_CHOICE:
      return take_choice(field, row, value);
    case OQ_OPT_LIST:
      if (oq_opt_append(field, value)) return OQ_OPT_GO;
      oq_term_error(NULL, "out of memory");
      return OQ_OPT_BAD;
    case OQ_OPT_UINT:
    case OQ_OPT_INT:
    case OQ_OPT_REAL:
      return take_number(field, row, value);
    case OQ_OPT_SIZE:
      if (oq_opt_size(field, value)) return OQ_OPT_GO;
      return bad_value(row, value, "a size is like 4096, 512M or 2G");
    case OQ_OPT_HELP:
      break;
  }
  return OQ_OPT_SHOW_HELP;
}

static bool takes_value(const oq_opt *row) {
  return row->kind != OQ_OPT_FLAG && row->kind != OQ_OPT_COUNT &&
         row->kind != OQ_OPT_HELP;
}

static oq_opt_result missing_value(const oq_opt *row) {
  char hint[160];

  (void)snprintf(hint, sizeof hint, "it takes %s", row->arg);
  oq_term_error(hint, "option '--%s' has no value", row->name);
  return OQ_OPT_BAD;
}

/* ---- parsing --------------------------------------------------------------
 */
/* `next` is the word behind this one; *used tells whether it was taken. */
static oq_opt_result take_long(const parser *p, const char *word,
                               const char *next, bool *used) {
  const char *equals = strchr(word, '=');
  const size_t length = equals ? (size_t)(equals - word) : strlen(word);
  const oq_opt_group *group;
  const oq_opt *row = find_row(&group, p->c, word, length, 0);

  if (!row) return bad_option(p->c, word, length, 0);
  if (!takes_value(row) && equals) {
    oq_term_error(NULL, "option '--%s' takes no value", row->name);
    return OQ_OPT_BAD;
  }
  const char *value = equals ? equals + 1 : next;
  if (takes_value(row) && !value) return missing_value(row);
  *used = takes_value(row) && !equals;
  return store(p->options + group->at + row->at, row, value);
}

/* "-v", "-vq", "-o FILE", "-oFILE". */
static oq_opt_result take_short(const parser *p, const char *letters,
                                const char *next, bool *used) {
  for (; *letters; letters++) {
    const oq_opt_group *group;
    const oq_opt *row = find_row(&group, p->c, NULL, 0, *letters);
    const char *value = NULL;

    if (!row) return bad_option(p->c, NULL, 0, *letters);
    if (takes_value(row)) {
      value = letters[1] ? letters + 1 : next;
      if (!value) return missing_value(row);
      *used = !letters[1];
    }
    const oq_opt_result r = store(p->options + group->at + row->at, row, value);
    if (r != OQ_OPT_GO || value) return r;
  }
  return OQ_OPT_GO;
}

static oq_opt_result check_names(const oq_opt_command *c,
                                 const oq_opt_list *names) {
  char hint[256];

  (void)snprintf(hint, sizeof hint, "usage: onnxquant %s", c->usage);
  if (names->n < c->min_names)
    oq_term_error(hint, "%s: %s expected", c->name, c->names);
  else if (names->n > c->max_names)
    oq_term_error(hint, "%s: '%s' is one word too many", c->name,
                  names->items[c->max_names]);
  else
    return OQ_OPT_GO;
  return OQ_OPT_BAD;
}

oq_opt_result oq_opt_parse(void *options, oq_opt_list *names,
                           const oq_opt_command *c, int argc, char **argv) {
  const parser p = {c, options};
  bool only_names = false;

  for (int i = 1; i < argc; i++) {
    const char *word = argv[i], *next = i + 1 < argc ? argv[i + 1] : NULL;
    oq_opt_result r = OQ_OPT_GO;
    bool used = false;

    if (only_names || word[0] != '-' || !word[1]) {
      if (!oq_opt_append(names, word)) return OQ_OPT_BAD;
    } else if (strcmp(word, "--") == 0) {
      only_names = true;
    } else if (word[1] == '-') {
      r = take_long(&p, word + 2, next, &used);
    } else {
      r = take_short(&p, word + 1, next, &used);
    }
    if (r != OQ_OPT_GO) return r;
    i += used;
  }
  return check_names(c, names);
}

void oq_opt_release(void *options, oq_opt_list *names,
                    const oq_opt_command *c) {
  for (size_t g = 0; g < c->n_groups; g++) {
    for (const oq_opt *row = c->groups[g].rows; row->name; row++) {
      if (row->kind != OQ_OPT_LIST) continue;
      oq_opt_list *l = (void *)((char *)options + c->groups[g].at + row->at);
      free(l->items);
      *l = (oq_opt_list){0};
    }
  }
  free(names->items);
  *names = (oq_opt_list){0};
}

/* ---- help -----------------------------------------------------------------
 */
#define LEFT 28 /* columns of names */
#define RIGHT 79

static void print_row(FILE *to, const oq_opt *row) {
  char left[80];
  char letter[8] = "";

  if (row->letter) (void)snprintf(letter, sizeof letter, "-%c, ", row->letter);
  (void)snprintf(left, sizeof left, "%s--%s%s%s", letter, row->name,
                 row->arg ? " " : "", row->arg ? row->arg : "");
  const char *help = row->help + (*row->help == '+');
  if (strlen(left) > LEFT)
    (void)fprintf(to, "  %s\n  %-*s %s\n", left, LEFT, "", help);
  else
    (void)fprintf(to, "  %-*s %s\n", LEFT, left, help);
}

/* "Data (also --shape --fill)": the rows that --help does not explain. */
static void print_title(FILE *to, const oq_opt_group *g, bool all) {
  size_t column = strlen(g->title);
  bool any = false;

  (void)fputs(g->title, to);
  for (const oq_opt *row = g->rows; !all && row->name; row++) {
    const size_t length = strlen(row->name) + 3;

    if (*row->help != '+' || row->kind == OQ_OPT_HELP) continue;
    if (!any) column += (size_t)fprintf(to, " (also");
    if (column + length > RIGHT - 1)
      column = (size_t)fprintf(to, "\n      ") - 1;
    (void)fprintf(to, " --%s", row->name);
    column += length;
    any = true;
  }
  (void)fputs(any ? ")\n" : "\n", to);
}

void oq_opt_help(FILE *to, const oq_opt_command *c, bool all) {
  (void)fprintf(to, "Usage: onnxquant %s\n%s.\n", c->usage, c->about);
  for (size_t g = 0; g < c->n_groups; g++) {
    const oq_opt_group *group = &c->groups[g];

    if (all) (void)fputc('\n', to);
    print_title(to, group, all);
    for (const oq_opt *row = group->rows; row->name; row++)
      if (all || *row->help != '+') print_row(to, row);
  }
  if (c->examples) (void)fprintf(to, "%s", c->examples);
  if (!all)
    (void)fprintf(to, "`onnxquant help %s` explains every option.\n", c->name);
}
