/* ops/regex.c - see regex.h: a parser that makes a tree, the tree made into
 * instructions, and the set of instructions a text may have come to. */
#include "ops/regex.h"

#include <string.h>

#include "ops/letters.h"

#define MAX_DEPTH 200      /* of groups; parsing and making recurse */
#define MAX_REPEAT 1000    /* as in RE2 */
#define MAX_PROGRAM 65536  /* instructions */
#define MAX_RANGES 65536   /* of all sets of characters */
#define MAX_PATTERN 100000 /* bytes */
#define LAST_LETTER 0x10ffff

/* ---- the tree ------------------------------------------------------------ */
typedef struct range {
  uint32_t lo, hi;
} range;

typedef struct charset {
  range *r;
  uint32_t n, cap;
  bool negated, folded;
} charset;

typedef enum kind {
  K_SET,
  K_ASSERT,
  K_JOIN,   /* one after the other; none: nothing */
  K_EITHER, /* one of them */
  K_REPEAT  /* the first, `min` to `max` times; max < 0: any number */
} kind;

typedef enum place {
  AT_BEGIN,
  AT_END,
  AT_LINE_BEGIN,
  AT_LINE_END,
  AT_WORD,    /* between a letter of a word and something else */
  AT_NOT_WORD /* not there */
} place;

typedef struct tree {
  kind kind;
  struct tree *first, *last; /* what it is made of ... */
  struct tree *next;         /* ... as a list */
  charset *set;
  place place;
  int32_t min, max;
} tree;

enum { FLAG_FOLD = 1, FLAG_LINES = 2, FLAG_DOT_ALL = 4, FLAG_UNGREEDY = 8 };

typedef struct parser {
  const char *p, *end;
  oq_arena *a;
  oq_status status;
  const char *why;
  uint32_t depth, flags, n_ranges;
} parser;

static tree *fail(parser *x, oq_status s, const char *why) {
  if (x->status == OQ_OK) {
    x->status = s;
    x->why = why;
  }
  return NULL;
}

static tree *no_memory(parser *x) {
  return fail(x, OQ_E_MEMORY, "needs more memory than there is");
}

static tree *make(parser *x, kind k) {
  if (x->status != OQ_OK) return NULL;
  tree *t = OQ_NEW(x->a, tree);
  if (t == NULL) return no_memory(x);
  t->kind = k;
  return t;
}

/* Either may be NULL after a failure. */
static void add_part(tree *t, tree *part) {
  if (t == NULL || part == NULL) return;
  if (t->last != NULL) {
    t->last->next = part;
  } else {
    t->first = part;
  }
  t->last = part;
}

static bool at_end(const parser *x) { return x->p == x->end; }

static bool accept(parser *x, const char *text) {
  const size_t n = strlen(text);

  if ((size_t)(x->end - x->p) < n || memcmp(x->p, text, n) != 0) return false;
  x->p += n;
  return true;
}

/* ---- sets of characters -------------------------------------------------- */
static charset *set_make(parser *x) {
  charset *s = OQ_NEW(x->a, charset);

  if (s == NULL) (void)no_memory(x);
  if (s != NULL) s->folded = (x->flags & FLAG_FOLD) != 0;
  return s;
}

static void set_put(parser *x, charset *s, uint32_t lo, uint32_t hi) {
  if (x->status != OQ_OK || lo > hi) return;
  if (++x->n_ranges > MAX_RANGES) {
    (void)fail(x, OQ_E_LIMIT, "has too many ranges of characters");
    return;
  }
  if (s->n == s->cap) {
    const uint32_t cap = s->cap == 0 ? 4 : 2 * s->cap;
    range *r = OQ_NEW_N(x->a, range, cap);
    if (r == NULL) {
      (void)no_memory(x);
      return;
    }
    if (s->n != 0) memcpy(r, s->r, s->n * sizeof *r);
    s->r = r;
    s->cap = cap;
  }
  s->r[s->n++] = (range){lo, hi};
}

/* Where case does not count, a set also has what its characters fold to, and
 * is asked for what a character folds to. */
static void set_add(parser *x, charset *s, uint32_t lo, uint32_t hi) {
  set_put(x, s, lo, hi);
  if (!s->folded) return;
  for (uint32_t c = oq_letter_next_folded(lo); c <= hi && x->status == OQ_OK;
       c = oq_letter_next_folded(c + 1)) {
    const uint32_t f = oq_letter_fold(c);
    if (f != c && (f < lo || f > hi)) set_put(x, s, f, f);
  }
}

static bool set_has(const charset *s, uint32_t c) {
  const uint32_t f = s->folded ? oq_letter_fold(c) : c;

  for (uint32_t i = 0; i < s->n; i++) {
    if (f >= s->r[i].lo && f <= s->r[i].hi) return !s->negated;
  }
  return s->negated;
}

/* Named sets are pairs of bytes. */
typedef struct named {
  const char *name, *pairs;
} named;

static const named perl_sets[] = {
    {"d", "09"}, {"s", "\t\n\f\r  "}, {"w", "09AZ__az"}};
static const named posix_sets[] = {
    {"alnum", "09AZaz"},   {"alpha", "AZaz"},   {"ascii", NULL},
    {"blank", "\t\t  "},   {"cntrl", NULL},     {"digit", "09"},
    {"graph", "!~"},       {"lower", "az"},     {"print", " ~"},
    {"punct", "!/:@[`{~"}, {"space", "\t\r  "}, {"upper", "AZ"},
    {"word", "09AZ__az"},  {"xdigit", "09AFaf"}};

static void add_pairs(parser *x, charset *s, const char *pairs, bool outside) {
  uint32_t from = 0;

  for (; *pairs != '\0'; pairs += 2) {
    const uint32_t lo = (uint8_t)pairs[0], hi = (uint8_t)pairs[1];
    if (!outside) set_add(x, s, lo, hi);
    if (outside && lo > from) set_add(x, s, from, lo - 1);
    from = hi + 1;
  }
  if (outside) set_add(x, s, from, LAST_LETTER);
}

/* \d \s \w and their opposites. */
static bool take_perl(parser *x, charset *s) {
  for (size_t i = 0; i < sizeof perl_sets / sizeof *perl_sets; i++) {
    const char small = perl_sets[i].name[0];
    if (x->end - x->p < 2 || x->p[0] != '\\') return false;
    if (x->p[1] != small && x->p[1] != small - 32) continue;
    const bool outside = x->p[1] != small;
    x->p += 2;
    add_pairs(x, s, perl_sets[i].pairs, outside);
    return true;
  }
  return false;
}

/* Two of the names are sets that pairs of bytes, ended by NUL, cannot say. */
static void add_posix(parser *x, charset *s, const named *n, bool outside) {
  const bool ascii = n->name[0] == 'a';

  if (n->pairs != NULL) {
    add_pairs(x, s, n->pairs, outside);
  } else if (ascii) {
    set_add(x, s, outside ? 0x80 : 0, outside ? LAST_LETTER : 0x7f);
  } else if (outside) {
    set_add(x, s, 0x20, 0x7e);
    set_add(x, s, 0x80, LAST_LETTER);
  } else {
    set_add(x, s, 0, 0x1f);
    set_add(x, s, 0x7f, 0x7f);
  }
}

static bool take_posix(parser *x, charset *s) {
  const size_t count = sizeof posix_sets / sizeof *posix_sets;
  const char *from = x->p;

  if (!accept(x, "[:")) return false;
  const bool outside = accept(x, "^");
  for (size_t i = 0; i < count; i++) {
    const char *name = x->p;
    if (accept(x, posix_sets[i].name) && accept(x, ":]")) {
      add_posix(x, s, &posix_sets[i], outside);
      return true;
    }
    x->p = name;
  }
  x->p = from;
  for (const char *q = from + 2; x->end - q >= 2; q++) {
    if (q[0] == ']') break;
    if (q[0] == ':' && q[1] == ']') {
      (void)fail(x, OQ_E_MODEL, "has a named set that there is not");
      return true;
    }
  }
  return false;
}

/* ---- single characters --------------------------------------------------- */
static uint32_t take_letter(parser *x) {
  uint32_t c = 0;
  const size_t n = oq_letter_read(&c, x->p, (size_t)(x->end - x->p));

  if (n == 0) (void)fail(x, OQ_E_MODEL, "is not UTF-8");
  x->p += n;
  return c;
}

static int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
}

static uint32_t take_digits(parser *x, int base, int least, int most) {
  uint32_t v = 0;
  int n = 0;

  while (n < most && !at_end(x) && digit_of(*x->p) < base && v <= LAST_LETTER) {
    v = v * (uint32_t)base + (uint32_t)digit_of(*x->p++);
    n++;
  }
  if (n < least || v > LAST_LETTER) {
    (void)fail(x, OQ_E_MODEL, "has a number of a character that is none");
  }
  return v;
}

static uint32_t take_hex(parser *x) {
  if (!accept(x, "{")) return take_digits(x, 16, 2, 2);
  const uint32_t v = take_digits(x, 16, 1, 8);
  if (!accept(x, "}")) {
    (void)fail(x, OQ_E_MODEL, "has a number of a character that does not end");
  }
  return v;
}

/* Behind a backslash. */
static uint32_t take_escape(parser *x) {
  static const char from[] = "aftnrv", to[] = "\a\f\t\n\r\v";

  if (at_end(x)) {
    (void)fail(x, OQ_E_MODEL, "ends with a backslash");
    return 0;
  }
  const char c = *x->p;
  const char *known = strchr(from, c);
  if (c != '\0' && known != NULL) {
    x->p++;
    return (uint8_t)to[known - from];
  }
  if (accept(x, "x")) return take_hex(x);
  if (c == '0') return take_digits(x, 8, 1, 3);
  if (c >= '1' && c <= '7' && x->end - x->p > 1 && digit_of(x->p[1]) < 8) {
    return take_digits(x, 8, 2, 3);
  }
  if (c == 'p' || c == 'P' || c == 'C') {
    (void)fail(x, OQ_E_UNSUPPORTED,
               c == 'C' ? "asks for single bytes (\\C)"
                        : "asks for a class of Unicode (\\p)");
    return 0;
  }
  const bool word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                    (c >= 'A' && c <= 'Z');
  if (word || (uint8_t)c >= 0x80) {
    (void)fail(x, OQ_E_MODEL, "has a backslash before what means nothing then");
    return 0;
  }
  x->p++;
  return (uint8_t)c;
}

static uint32_t take_member(parser *x) {
  return accept(x, "\\") ? take_escape(x) : take_letter(x);
}

static tree *leaf(parser *x, charset *s) {
  tree *t = make(x, K_SET);

  if (t != NULL) t->set = s;
  return t;
}

static tree *one_letter(parser *x, uint32_t c) {
  charset *s = set_make(x);

  if (s == NULL || x->status != OQ_OK) return NULL;
  set_add(x, s, c, c);
  return leaf(x, s);
}

static void take_range(parser *x, charset *s) {
  const uint32_t lo = take_member(x);
  uint32_t hi = lo;

  if (x->end - x->p >= 2 && x->p[0] == '-' && x->p[1] != ']') {
    x->p++;
    hi = take_member(x);
  }
  if (hi < lo)
    (void)fail(x, OQ_E_MODEL, "has a range that ends before it begins");
  set_add(x, s, lo, hi);
}

/* Behind the bracket.  A closing one that comes first is a member. */
static tree *take_set(parser *x) {
  charset *s = set_make(x);

  if (s == NULL) return NULL;
  s->negated = accept(x, "^");
  for (bool first = true; x->status == OQ_OK; first = false) {
    if (at_end(x)) return fail(x, OQ_E_MODEL, "has a set without its ']'");
    if (!first && accept(x, "]")) break;
    if (!take_posix(x, s) && !take_perl(x, s)) take_range(x, s);
  }
  return leaf(x, s);
}

static tree *assertion(parser *x, place p) {
  tree *t = make(x, K_ASSERT);

  if (t != NULL) t->place = p;
  return t;
}

static tree *any_letter(parser *x) {
  charset *s = set_make(x);

  if (s == NULL) return NULL;
  s->negated = true; /* of nothing, or of the end of a line */
  if ((x->flags & FLAG_DOT_ALL) == 0) set_put(x, s, '\n', '\n');
  return leaf(x, s);
}

/* ---- the grammar --------------------------------------------------------- */
static tree *take_either(parser *x);

static tree *take_quoted(parser *x) {
  tree *t = make(x, K_JOIN);

  while (!at_end(x) && x->status == OQ_OK && !accept(x, "\\E")) {
    add_part(t, one_letter(x, take_letter(x)));
  }
  return t;
}

static tree *take_backslash(parser *x) {
  charset *s = set_make(x);

  if (s == NULL) return NULL;
  if (take_perl(x, s)) return leaf(x, s);
  if (accept(x, "\\A")) return assertion(x, AT_BEGIN);
  if (accept(x, "\\z")) return assertion(x, AT_END);
  if (accept(x, "\\b")) return assertion(x, AT_WORD);
  if (accept(x, "\\B")) return assertion(x, AT_NOT_WORD);
  if (accept(x, "\\Q")) return take_quoted(x);
  x->p++;
  return one_letter(x, take_escape(x));
}

static bool is_name(const char *p, const char *end) {
  for (const char *q = p; q < end; q++) {
    const bool fine = (*q >= '0' && *q <= '9') || (*q >= 'a' && *q <= 'z') ||
                      (*q >= 'A' && *q <= 'Z') || *q == '_' ||
                      (uint8_t)*q >= 0x80;
    if (!fine) return false;
  }
  return p < end;
}

static void take_name(parser *x) {
  const char *end = memchr(x->p, '>', (size_t)(x->end - x->p));

  if (end == NULL || !is_name(x->p, end)) {
    (void)fail(x, OQ_E_MODEL, "has a group with a name that is none");
    return;
  }
  x->p = end + 1;
}

/* Behind "(?": true if a group follows, false if that was all. */
static bool take_flags(parser *x) {
  static const char letters[] = "imsU";
  bool off = false, any = false;

  while (!at_end(x)) {
    const char c = *x->p++;
    const char *known = strchr(letters, c);
    if (c == ':' || c == ')') {
      if (off && !any) break;
      return c == ':';
    }
    if (c == '-' && !off) {
      off = true;
      any = false;
      continue;
    }
    if (c == '\0' || known == NULL) break;
    any = true;
    const uint32_t bit = 1u << (known - letters);
    x->flags = off ? x->flags & ~bit : x->flags | bit;
  }
  (void)fail(x, OQ_E_MODEL, "has a '(?' that RE2 does not know");
  return false;
}

/* Behind the parenthesis.  Flags end with their group, or hold until the end of
 * the one around them. */
static tree *take_group(parser *x) {
  const uint32_t flags = x->flags;

  if (x->depth >= MAX_DEPTH) {
    return fail(x, OQ_E_LIMIT, "has groups too deep inside each other");
  }
  if (accept(x, "?P<") || accept(x, "?<")) {
    const bool looks = !at_end(x) && (*x->p == '=' || *x->p == '!');
    if (looks) return fail(x, OQ_E_MODEL, "looks behind, which RE2 does not");
    take_name(x);
  } else if (accept(x, "?") && !take_flags(x)) {
    return make(x, K_JOIN);
  }
  x->depth++;
  tree *t = take_either(x);
  x->depth--;
  x->flags = flags;
  if (!accept(x, ")")) return fail(x, OQ_E_MODEL, "has a '(' without its ')'");
  return t;
}

static tree *take_atom(parser *x) {
  const bool lines = (x->flags & FLAG_LINES) != 0;

  if (accept(x, "(")) return take_group(x);
  if (accept(x, "[")) return take_set(x);
  if (accept(x, ".")) return any_letter(x);
  if (accept(x, "^")) return assertion(x, lines ? AT_LINE_BEGIN : AT_BEGIN);
  if (accept(x, "$")) return assertion(x, lines ? AT_LINE_END : AT_END);
  if (*x->p == '\\') return take_backslash(x);
  if (*x->p == '*' || *x->p == '+' || *x->p == '?') {
    return fail(x, OQ_E_MODEL, "repeats nothing");
  }
  return one_letter(x, take_letter(x));
}

static bool take_count(parser *x, int32_t *out) {
  const char *from = x->p;
  int32_t v = 0;

  while (!at_end(x) && digit_of(*x->p) < 10) {
    if (v <= MAX_REPEAT) v = v * 10 + digit_of(*x->p);
    x->p++;
  }
  *out = v;
  return x->p != from;
}

/* "{n}", "{n,}", "{n,m}"; anything else is no repetition. */
static bool take_braces(parser *x, int32_t *min, int32_t *max) {
  const char *from = x->p;

  if (accept(x, "{") && take_count(x, min)) {
    *max = *min;
    if (accept(x, ",") && !take_count(x, max)) *max = -1;
    if (accept(x, "}")) return true;
  }
  x->p = from;
  return false;
}

static bool take_repeat(parser *x, int32_t *min, int32_t *max) {
  *min = 0;
  *max = -1;
  if (accept(x, "*")) return true;
  if (accept(x, "+")) {
    *min = 1;
    return true;
  }
  if (accept(x, "?")) {
    *max = 1;
    return true;
  }
  return take_braces(x, min, max);
}

static tree *take_repeats(parser *x, tree *t) {
  int32_t min, max;

  if (!take_repeat(x, &min, &max)) return t;
  (void)accept(x, "?"); /* as few as possible: the same where all must match */
  if (min > MAX_REPEAT || max > MAX_REPEAT || (max >= 0 && max < min)) {
    return fail(x, OQ_E_MODEL, "has a number of repetitions out of range");
  }
  tree *y = make(x, K_REPEAT);
  if (y == NULL) return NULL;
  add_part(y, t);
  y->min = min;
  y->max = max;
  if (take_repeat(x, &min, &max)) {
    return fail(x, OQ_E_MODEL, "repeats a repetition");
  }
  return y;
}

static tree *take_join(parser *x) {
  tree *t = make(x, K_JOIN);

  while (x->status == OQ_OK && !at_end(x) && *x->p != '|' && *x->p != ')') {
    tree *atom = take_atom(x);
    add_part(t, take_repeats(x, atom));
  }
  return t;
}

static tree *take_either(parser *x) {
  tree *t = make(x, K_EITHER);

  do {
    add_part(t, take_join(x));
  } while (x->status == OQ_OK && accept(x, "|"));
  return t;
}

/* ---- instructions -------------------------------------------------------- */
typedef enum op { OP_SET, OP_ASSERT, OP_SPLIT, OP_JUMP, OP_MATCH } op;

typedef struct instruction {
  op op;
  place place;
  const charset *set;
  uint32_t x, y; /* where to go on; SPLIT: both */
} instruction;

/* Which instructions are reached: dense list, and where each is in it. */
typedef struct reached {
  uint32_t *list, *at;
  uint32_t n;
} reached;

struct oq_regex {
  instruction *code;
  uint32_t n;
  reached now, next;
  uint32_t *todo;
};

#define NOWHERE UINT32_MAX

typedef struct maker {
  oq_regex *r;       /* code NULL: only counts */
  uint32_t n, steps; /* instructions; trees, of which many make none */
} maker;

/* Said of the count, so that making ends where counting did. */
static bool is_full(const maker *m) {
  return m->n > MAX_PROGRAM || m->steps > 4 * MAX_PROGRAM;
}

static uint32_t put(maker *m, instruction i) {
  if (m->r->code != NULL) m->r->code[m->n] = i;
  return m->n++;
}

static void make_tree(maker *m, const tree *t);

/* A way on to what comes next, and one, `y`, to be set by close_splits; until
 * then it leads to the split before it. */
static uint32_t open_split(maker *m, uint32_t before) {
  return put(m, (instruction){.op = OP_SPLIT, .x = m->n + 1, .y = before});
}

static void close_splits(maker *m, uint32_t at) {
  while (m->r->code != NULL && at != NOWHERE) {
    const uint32_t before = m->r->code[at].y;
    m->r->code[at].y = m->n;
    at = before;
  }
}

static void make_star(maker *m, const tree *t) {
  const uint32_t at = open_split(m, NOWHERE);

  make_tree(m, t);
  (void)put(m, (instruction){.op = OP_JUMP, .x = at});
  close_splits(m, at);
}

static void make_repeat(maker *m, const tree *t) {
  uint32_t open = NOWHERE;

  for (int32_t i = 0; i < t->min && !is_full(m); i++) make_tree(m, t->first);
  if (t->max < 0) {
    make_star(m, t->first);
    return;
  }
  for (int32_t i = t->min; i < t->max && !is_full(m); i++) {
    open = open_split(m, open);
    make_tree(m, t->first);
  }
  close_splits(m, open);
}

static void make_either(maker *m, const tree *t) {
  uint32_t done = NOWHERE;

  for (const tree *k = t->first; k != NULL && !is_full(m); k = k->next) {
    const uint32_t at = k->next != NULL ? open_split(m, NOWHERE) : NOWHERE;
    make_tree(m, k);
    if (k->next == NULL) break;
    /* Over the rest: a split both of whose ways will lead there. */
    done = put(m, (instruction){.op = OP_SPLIT, .x = NOWHERE, .y = done});
    close_splits(m, at);
  }
  close_splits(m, done);
}

/* As deep as groups are. */
static void make_tree(maker *m, const tree *t) {
  m->steps++;
  if (is_full(m)) return;
  switch (t->kind) {
    case K_SET:
      (void)put(m, (instruction){.op = OP_SET, .set = t->set, .x = m->n + 1});
      break;
    case K_ASSERT:
      (void)put(
          m, (instruction){.op = OP_ASSERT, .place = t->place, .x = m->n + 1});
      break;
    case K_JOIN:
      for (const tree *k = t->first; k != NULL; k = k->next) make_tree(m, k);
      break;
    case K_EITHER:
      make_either(m, t);
      break;
    case K_REPEAT:
      make_repeat(m, t);
      break;
  }
}

static bool make_reached(reached *x, uint32_t n, oq_arena *a) {
  x->list = OQ_NEW_N(a, uint32_t, n);
  x->at = OQ_NEW_N(a, uint32_t, n);
  return x->list != NULL && x->at != NULL;
}

/* Counts, then makes. */
static oq_status make_code(oq_regex *r, const tree *t, oq_arena *a) {
  maker m = {.r = r};

  make_tree(&m, t);
  if (is_full(&m)) return OQ_E_LIMIT;
  instruction *code = OQ_NEW_N(a, instruction, m.n + 1);
  r->n = m.n + 1;
  r->todo = OQ_NEW_N(a, uint32_t, r->n);
  if (code == NULL || r->todo == NULL || !make_reached(&r->now, r->n, a) ||
      !make_reached(&r->next, r->n, a)) {
    return OQ_E_MEMORY;
  }
  r->code = code;
  m = (maker){.r = r};
  make_tree(&m, t);
  (void)put(&m, (instruction){.op = OP_MATCH});
  return OQ_OK;
}

oq_status oq_regex_compile(oq_regex **out, const char **why, oq_text pattern,
                           oq_arena *a) {
  const char *const text = pattern.n != 0 ? pattern.p : "";
  parser x = {.p = text, .end = text + pattern.n, .a = a};
  oq_regex *r = OQ_NEW(a, oq_regex);

  *why = "";
  if (r == NULL) return OQ_E_MEMORY;
  if (pattern.n > MAX_PATTERN) {
    *why = "is too long";
    return OQ_E_LIMIT;
  }
  const tree *t = take_either(&x);
  if (x.status == OQ_OK && !at_end(&x)) {
    (void)fail(&x, OQ_E_MODEL, "has a ')' without its '('");
  }
  if (x.status == OQ_OK && make_code(r, t, a) != OQ_OK) {
    (void)fail(&x, OQ_E_LIMIT, "repeats too much");
  }
  if (x.status != OQ_OK) {
    *why = x.why;
    return x.status;
  }
  *out = r;
  return OQ_OK;
}

/* ---- matching ------------------------------------------------------------ */
#define NO_LETTER UINT32_MAX /* before the text, and behind it */

static bool is_word(uint32_t c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || c == '_' ||
         (c >= 'a' && c <= 'z');
}

static bool holds(place p, uint32_t before, uint32_t after) {
  switch (p) {
    case AT_BEGIN:
      return before == NO_LETTER;
    case AT_END:
      return after == NO_LETTER;
    case AT_LINE_BEGIN:
      return before == NO_LETTER || before == '\n';
    case AT_LINE_END:
      return after == NO_LETTER || after == '\n';
    case AT_WORD:
      return is_word(before) != is_word(after);
    case AT_NOT_WORD:
      break;
  }
  return is_word(before) == is_word(after);
}

/* The marks need no clearing: what they say is looked up in the list. */
static bool add(reached *s, uint32_t at) {
  if (s->at[at] < s->n && s->list[s->at[at]] == at) return false;
  s->at[at] = s->n;
  s->list[s->n++] = at;
  return true;
}

/* `at` and all that needs no letter from there. */
static void reach(oq_regex *r, reached *s, uint32_t at, uint32_t before,
                  uint32_t after) {
  uint32_t n = 0;

  if (add(s, at)) r->todo[n++] = at;
  while (n > 0) {
    const instruction *i = &r->code[r->todo[--n]];
    if (i->op == OP_SET || i->op == OP_MATCH) continue;
    if (i->op == OP_ASSERT && !holds(i->place, before, after)) continue;
    if (i->op == OP_SPLIT && add(s, i->y)) r->todo[n++] = i->y;
    if (i->x != NOWHERE && add(s, i->x)) r->todo[n++] = i->x;
  }
}

/* Every reached instruction that takes `c` leads on. */
static void step(oq_regex *r, uint32_t c, uint32_t after) {
  r->next.n = 0;
  for (uint32_t k = 0; k < r->now.n; k++) {
    const instruction *i = &r->code[r->now.list[k]];
    if (i->op != OP_SET || !set_has(i->set, c)) continue;
    reach(r, &r->next, i->x, c, after);
  }
  const reached swap = r->now;
  r->now = r->next;
  r->next = swap;
}

static bool look(uint32_t *out, size_t *size, const char *p, size_t left) {
  *out = NO_LETTER;
  *size = 0;
  if (left == 0) return true;
  *size = oq_letter_read(out, p, left);
  return *size != 0;
}

bool oq_regex_matches(oq_regex *r, oq_text text) {
  const char *p = text.p;
  size_t left = text.n, size, after_size;
  uint32_t c, after;

  if (!look(&c, &size, p, left)) return false;
  r->now.n = 0;
  reach(r, &r->now, 0, NO_LETTER, c);
  while (left > 0 && r->now.n > 0) {
    p += size;
    left -= size;
    if (!look(&after, &after_size, p, left)) return false;
    step(r, c, after);
    c = after;
    size = after_size;
  }
  for (uint32_t k = 0; k < r->now.n; k++) {
    if (r->code[r->now.list[k]].op == OP_MATCH) return true;
  }
  return false;
}
