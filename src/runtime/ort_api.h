/* runtime/ort_api.h - the part of onnxruntime's C interface that is used.
 *
 * `OrtGetApiBase()->GetApi(n)` returns a table of function pointers that only
 * ever grows at its end, so a function is its position.  Positions that are
 * not used are gaps; the assertions below tie every name to its number. */
#ifndef OQ_RUNTIME_ORT_API_H
#define OQ_RUNTIME_ORT_API_H

#include <stddef.h>
#include <stdint.h>

/* The lowest version whose table holds every position used here. */
#define OQ_ORT_API_VERSION 5

typedef struct ort_status ort_status; /* NULL = success */
typedef struct ort_env ort_env;
typedef struct ort_session ort_session;
typedef struct ort_options ort_options;
typedef struct ort_run_options ort_run_options;
typedef struct ort_value ort_value;
typedef struct ort_type ort_type;
typedef struct ort_shape ort_shape; /* element type and dimensions */
typedef struct ort_memory ort_memory;
typedef struct ort_allocator ort_allocator;

typedef void (*ort_gap)(void);

typedef struct oq_ort_api {
  ort_gap gap0[1];
  int (*error_code)(const ort_status *);
  const char *(*error_message)(const ort_status *);
  ort_status *(*create_env)(int log_level, const char *id, ort_env **);
  ort_gap gap4[3];
  ort_status *(*create_session)(const ort_env *, const char *path,
                                const ort_options *, ort_session **);
  ort_gap gap8[1];
  ort_status *(*run)(ort_session *, const ort_run_options *,
                     const char *const *in, const ort_value *const *,
                     size_t n_in, const char *const *out, size_t n_out,
                     ort_value **);
  ort_status *(*create_options)(ort_options **);
  ort_status *(*set_optimized_path)(ort_options *, const char *);
  ort_gap gap12[11];
  ort_status *(*set_level)(ort_options *, int);
  ort_status *(*set_intra_threads)(ort_options *, int);
  ort_status *(*set_inter_threads)(ort_options *, int);
  ort_gap gap26[3];
  ort_status *(*register_custom_ops)(ort_options *, const char *path,
                                     void **handle);
  ort_status *(*input_count)(const ort_session *, size_t *);
  ort_status *(*output_count)(const ort_session *, size_t *);
  ort_gap gap32[1];
  ort_status *(*input_type)(const ort_session *, size_t, ort_type **);
  ort_status *(*output_type)(const ort_session *, size_t, ort_type **);
  ort_gap gap35[1];
  ort_status *(*input_name)(const ort_session *, size_t, ort_allocator *,
                            char **);
  ort_status *(*output_name)(const ort_session *, size_t, ort_allocator *,
                             char **);
  ort_gap gap38[11];
  ort_status *(*tensor_over)(const ort_memory *, void *data, size_t size,
                             const int64_t *dim, size_t rank, int dtype,
                             ort_value **);
  ort_status *(*is_tensor)(const ort_value *, int *);
  ort_status *(*tensor_data)(ort_value *, void **);
  ort_gap gap52[3];
  /* The result is borrowed, and NULL if the type is no tensor. */
  ort_status *(*type_as_tensor)(const ort_type *, const ort_shape **);
  ort_gap gap56[4];
  ort_status *(*element_type)(const ort_shape *, int *);
  ort_status *(*rank)(const ort_shape *, size_t *);
  ort_status *(*dims)(const ort_shape *, int64_t *, size_t);
  ort_status *(*symbols)(const ort_shape *, const char **, size_t);
  ort_gap gap64[1];
  ort_status *(*value_shape)(const ort_value *, ort_shape **);
  ort_gap gap66[3];
  ort_status *(*cpu_memory)(int allocator, int type, ort_memory **);
  ort_gap gap70[6];
  ort_status *(*allocator_free)(ort_allocator *, void *);
  ort_gap gap77[1];
  ort_status *(*default_allocator)(ort_allocator **);
  ort_gap gap79[14];
  void (*release_status)(ort_status *);
  ort_gap gap94[1];
  void (*release_session)(ort_session *);
  void (*release_value)(ort_value *);
  ort_gap gap97[1];
  void (*release_type)(ort_type *);
  void (*release_shape)(ort_shape *);
  void (*release_options)(ort_options *);
  ort_gap gap101[24];
  ort_status *(*providers)(char ***, int *);
  ort_status *(*release_providers)(char **, int);
  ort_gap gap127[3];
  ort_status *(*set_config)(ort_options *, const char *key, const char *value);
} oq_ort_api;

#define OQ_ORT_SLOT(field, number)                                          \
  _Static_assert(offsetof(oq_ort_api, field) == (number) * sizeof(ort_gap), \
                 #field)
OQ_ORT_SLOT(error_code, 1);
OQ_ORT_SLOT(error_message, 2);
OQ_ORT_SLOT(create_env, 3);
OQ_ORT_SLOT(create_session, 7);
OQ_ORT_SLOT(run, 9);
OQ_ORT_SLOT(create_options, 10);
OQ_ORT_SLOT(set_optimized_path, 11);
OQ_ORT_SLOT(set_level, 23);
OQ_ORT_SLOT(set_intra_threads, 24);
OQ_ORT_SLOT(set_inter_threads, 25);
OQ_ORT_SLOT(register_custom_ops, 29);
OQ_ORT_SLOT(input_count, 30);
OQ_ORT_SLOT(output_count, 31);
OQ_ORT_SLOT(input_type, 33);
OQ_ORT_SLOT(output_type, 34);
OQ_ORT_SLOT(input_name, 36);
OQ_ORT_SLOT(output_name, 37);
OQ_ORT_SLOT(tensor_over, 49);
OQ_ORT_SLOT(is_tensor, 50);
OQ_ORT_SLOT(tensor_data, 51);
OQ_ORT_SLOT(type_as_tensor, 55);
OQ_ORT_SLOT(element_type, 60);
OQ_ORT_SLOT(rank, 61);
OQ_ORT_SLOT(dims, 62);
OQ_ORT_SLOT(symbols, 63);
OQ_ORT_SLOT(value_shape, 65);
OQ_ORT_SLOT(cpu_memory, 69);
OQ_ORT_SLOT(allocator_free, 76);
OQ_ORT_SLOT(default_allocator, 78);
OQ_ORT_SLOT(release_status, 93);
OQ_ORT_SLOT(release_session, 95);
OQ_ORT_SLOT(release_value, 96);
OQ_ORT_SLOT(release_type, 98);
OQ_ORT_SLOT(release_shape, 99);
OQ_ORT_SLOT(release_options, 100);
OQ_ORT_SLOT(providers, 125);
OQ_ORT_SLOT(release_providers, 126);
OQ_ORT_SLOT(set_config, 130);
#undef OQ_ORT_SLOT

typedef struct oq_ort_base {
  const oq_ort_api *(*api)(uint32_t version);
  const char *(*version)(void);
} oq_ort_base;
typedef const oq_ort_base *(*oq_ort_entry)(void); /* "OrtGetApiBase" */

/* Numbers of OrtErrorCode. */
enum {
  ORT_NO_SUCH_FILE = 3,
  ORT_INVALID_PROTOBUF = 7,
  ORT_NOT_IMPLEMENTED = 9,
  ORT_INVALID_GRAPH = 10
};

#endif
