/* onnxquant/onnxquant.h - the whole public interface. */
#ifndef ONNXQUANT_ONNXQUANT_H
#define ONNXQUANT_ONNXQUANT_H

#include "onnxquant/calibration.h"
#include "onnxquant/compare.h"
#include "onnxquant/context.h"
#include "onnxquant/export.h"
#include "onnxquant/model.h"
#include "onnxquant/quantize.h"
#include "onnxquant/run.h"
#include "onnxquant/status.h"
#include "onnxquant/tensor.h"
#include "onnxquant/version.h"

#endif
