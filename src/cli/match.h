/* cli/match.h - an output against the value it should have: files, and numbers
 * within a tolerance. */
#ifndef CLI_MATCH_H
#define CLI_MATCH_H

#include "cli/work.h"

/* An expected value, read from FILE.pb (TensorProto) or FILE.npy. */
typedef struct oq_expected {
  oq_tensor_view view;
  oq_tensor_file *pb;
  void *bytes;
} oq_expected;
int oq_expected_load(oq_expected *out, oq_work *w, const char *path);
void oq_expected_release(oq_expected *e);

typedef struct oq_match {
  double max_abs, max_rel;
  bool ok;
  const char *why; /* not ok for another reason than the numbers; or NULL */
} oq_match;

/* |got - want| <= atol + rtol * |want| for every element; NaN matches NaN. */
oq_match oq_match_views(const oq_tensor_view *got, const oq_tensor_view *want,
                        double rtol, double atol);

#endif
