/* io/image_exif.c - finds the orientation in the containers that carry EXIF.
 * Anything damaged means "no orientation": it is not what the picture is. */
#include <string.h>

#include "io/image.h"

typedef struct span {
  const uint8_t *p;
  size_t n;
} span;

static uint32_t number(const uint8_t *p, size_t n, bool big) {
  uint32_t v = 0;

  for (size_t i = 0; i < n; i++) v = v << 8 | p[big ? i : n - 1 - i];
  return v;
}

/* TIFF 6.0: header, offset of the first directory, 12 bytes per entry. */
static int tiff_orientation(span t) {
  if (t.n < 8) return 1;
  const bool big = memcmp(t.p, "MM\0*", 4) == 0;
  if (!big && memcmp(t.p, "II*\0", 4) != 0) return 1;
  const size_t at = number(t.p + 4, 4, big);
  if (at > t.n || t.n - at < 2) return 1;
  const size_t entries = number(t.p + at, 2, big);
  for (size_t i = 0; i < entries; i++) {
    const size_t e = at + 2 + 12 * i;
    if (e > t.n || t.n - e < 12) return 1;
    if (number(t.p + e, 2, big) != 0x0112) continue;
    const uint32_t v = number(t.p + e + 8, 2, big);
    return v >= 1 && v <= 8 ? (int)v : 1;
  }
  return 1;
}

static int exif_orientation(const uint8_t *p, size_t n) {
  if (n >= 6 && memcmp(p, "Exif\0\0", 6) == 0) {
    return tiff_orientation((span){p + 6, n - 6});
  }
  return tiff_orientation((span){p, n});
}

int oq_exif_orientation_jpeg(const uint8_t *data, size_t size) {
  size_t at = 2;

  while (at < size && size - at >= 4) {
    if (data[at] != 0xff) return 1;
    const uint8_t marker = data[at + 1];
    if (marker == 0xff) { /* fill byte */
      at++;
      continue;
    }
    if (marker == 0xda || marker == 0xd9) return 1;
    const size_t n = number(data + at + 2, 2, true);
    if (n < 2 || n > size - at - 2) return 1;
    if (marker == 0xe1 && n >= 8 && memcmp(data + at + 4, "Exif\0", 5) == 0) {
      return exif_orientation(data + at + 4, n - 2);
    }
    at += 2 + n;
  }
  return 1;
}

int oq_exif_orientation_png(const uint8_t *data, size_t size) {
  size_t at = 8;

  while (at < size && size - at >= 12) {
    const size_t n = number(data + at, 4, true);
    if (n > size - at - 12) return 1;
    if (memcmp(data + at + 4, "eXIf", 4) == 0) {
      return exif_orientation(data + at + 8, n);
    }
    at += 12 + n;
  }
  return 1;
}

int oq_exif_orientation_webp(const uint8_t *data, size_t size) {
  size_t at = 12;

  while (at < size && size - at >= 8) {
    const size_t n = number(data + at + 4, 4, false);
    if (n > size - at - 8) return 1;
    if (memcmp(data + at, "EXIF", 4) == 0) {
      return exif_orientation(data + at + 8, n);
    }
    at += 8 + n + (n & 1);
  }
  return 1;
}
