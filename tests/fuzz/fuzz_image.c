/* The picture door: any codec, orientation, then grey and resizing. */
#include "io/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  oq_io_error err;
  oq_image im = {0}, to = {0};

  if (oq_image_decode(&im, data, size, 1 << 16, &err) != OQ_OK) return 0;
  if (size % 2 != 0) (void)oq_image_to_gray(&im, &err);
  if (oq_image_resize(&to, &im, 9, 7,
                      size % 4 < 2 ? OQ_FILTER_BILINEAR : OQ_FILTER_BICUBIC,
                      &err) == OQ_OK) {
    oq_image_free(&to);
  }
  oq_image_free(&im);
  return 0;
}
