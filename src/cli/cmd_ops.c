/* cmd_ops.c - operators that the built-in engine runs. */
#include <string.h>

#include "cli/command.h"

typedef struct ops_options {
  oq_common_options common;
  bool markdown;
} ops_options;

static const oq_opt own_rows[] = {
    {"markdown", 0, OQ_OPT_FLAG, offsetof(ops_options, markdown), NULL,
     "print the page of operators instead", 0, 0},
    {0},
};

static const oq_opt_group groups[] = {
    {"Operators", own_rows, 0},
    OQ_GROUP_COMMON(ops_options),
};

static const char *domain_of(const oq_operator_info *o) {
  return *o->domain ? o->domain : "ai.onnx";
}

/* ---- the page ------------------------------------------------------------ */
#define BIT(name) (UINT32_C(1) << OQ_DT_##name)
#define FLOATS (BIT(F32) | BIT(F64) | BIT(F16) | BIT(BF16))
#define INTEGERS                                                              \
  (BIT(U8) | BIT(I8) | BIT(U16) | BIT(I16) | BIT(U32) | BIT(I32) | BIT(U64) | \
   BIT(I64))
#define FLOAT8                                                       \
  (BIT(F8E4M3FN) | BIT(F8E4M3FNUZ) | BIT(F8E5M2) | BIT(F8E5M2FNUZ) | \
   BIT(F8E8M0))
#define SMALL (BIT(U4) | BIT(I4) | BIT(F4E2M1) | BIT(U2) | BIT(I2))
#define COMPLEX (BIT(C64) | BIT(C128))

static void print_type(const char *name, bool *first) {
  (void)printf("%s%s", *first ? "" : ", ", name);
  *first = false;
}

static void print_types(uint32_t set) {
  static const struct {
    const char *name;
    uint32_t set;
  } groups_of[] = {{"numbers", FLOATS | INTEGERS},
                   {"floats", FLOATS},
                   {"integers", INTEGERS},
                   {"float8", FLOAT8},
                   {"small", SMALL},
                   {"complex", COMPLEX}};
  bool first = true;

  for (size_t i = 0; i < sizeof groups_of / sizeof *groups_of; i++) {
    if ((set & groups_of[i].set) != groups_of[i].set) continue;
    print_type(groups_of[i].name, &first);
    set &= ~groups_of[i].set;
  }
  for (int32_t t = 1; t < 32; t++)
    if ((set >> t & 1u) != 0) print_type(oq_dtype_text(t), &first);
}

static bool same_operator(const oq_operator_info *a,
                          const oq_operator_info *b) {
  return strcmp(a->domain, b->domain) == 0 && strcmp(a->name, b->name) == 0;
}

/* Neighbouring ranges of operator sets as one. */
static void print_versions(const oq_operator_info *o, size_t n) {
  for (size_t i = 0; i < n; i++) {
    const int64_t since = o[i].since;

    while (i + 1 < n && o[i + 1].since <= o[i].last + 1) i++;
    (void)printf("%s%lld", since == o[0].since ? "" : ", ", (long long)since);
    if (o[i].last > since) (void)printf("-%lld", (long long)o[i].last);
  }
}

static void print_row(const oq_operator_info *o, size_t n) {
  uint32_t types = 0;

  for (size_t i = 0; i < n; i++) types |= o[i].dtypes;
  (void)printf("| %s | %s | ", o->name, domain_of(o));
  print_versions(o, n);
  (void)printf(" | ");
  print_types(types);
  (void)printf(" | %s | %s |\n", o[n - 1].quantization,
               o->int8_kernel ? "yes" : "");
}

static int print_page(const oq_operator_info *o, size_t n) {
  (void)puts(
      "| operator | domain | operator sets | first input | quantized as | int8 "
      "in onnxruntime |\n|---|---|---|---|---|---|");
  for (size_t i = 0; i < n;) {
    size_t run = 1;

    while (i + run < n && same_operator(&o[i], &o[i + run])) run++;
    print_row(&o[i], run);
    i += run;
  }
  return OQ_EXIT_DONE;
}

/* ---- lists --------------------------------------------------------------- */
static json_t *json_types(uint32_t set) {
  json_t *list = json_array();

  for (int32_t t = 1; t < 32; t++)
    if ((set >> t & 1u) != 0)
      (void)json_array_append_new(list, oq_json_string(oq_dtype_text(t)));
  return list;
}

static int print_json(const oq_operator_info *o, size_t n) {
  json_t *j = oq_json_create(), *list = json_array();

  for (size_t i = 0; i < n; i++) {
    json_t *e = json_object();

    oq_json_text(e, "domain", domain_of(&o[i]));
    oq_json_text(e, "op", o[i].name);
    oq_json_int(e, "since", o[i].since);
    oq_json_int(e, "last", o[i].last);
    oq_json_text(e, "quantization", o[i].quantization);
    oq_json_put(e, "types", json_types(o[i].dtypes));
    oq_json_bool(e, "int8_kernel", o[i].int8_kernel);
    (void)json_array_append_new(list, e);
  }
  oq_json_put(j, "operators", list);
  const int code = oq_work_print_json(j);
  json_decref(j);
  return code;
}

static int run(void *options, const oq_opt_list *names) {
  const ops_options *o = options;
  size_t n;
  const oq_operator_info *op = oq_operators(&n);

  (void)names;
  if (o->common.json) return print_json(op, n);
  if (o->markdown) return print_page(op, n);
  (void)printf("%-18s %-26s %-9s %s\n", "domain", "operator", "opsets",
               "quantization");
  for (size_t i = 0; i < n; i++) {
    char opsets[48];

    (void)snprintf(opsets, sizeof opsets, "%lld-%lld", (long long)op[i].since,
                   (long long)op[i].last);
    (void)printf("%-18s %-26s %-9s %s\n", domain_of(&op[i]), op[i].name, opsets,
                 op[i].quantization);
  }
  return OQ_EXIT_DONE;
}

const oq_command oq_command_ops = {
    .opt = {.name = "ops",
            .about = "operators and opsets that the built-in engine runs",
            .usage = "ops [options]",
            .groups = groups,
            .n_groups = sizeof groups / sizeof *groups,
            .names = ""},
    .size = sizeof(ops_options),
    .run = run,
};
