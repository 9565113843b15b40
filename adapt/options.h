// Every setting of the learner; what each does is said where it is described. No LibTorch in this header.
// Defaults without another origin are the paper's (arXiv 2301.13361); where one differs its help says why.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "adapt/acquisition/options.h"
#include "adapt/model/options.h"
#include "config/fields.h"

namespace driftloop::adapt {

struct InputOptions {
  int work_long_side_px = 0;
  int crop_width_px = 769;
  int crop_height_px = 769;
  double scale_min = 0.5;
  double scale_max = 2.0;
  double source_jitter = 0;
  double student_jitter = 0;
  int cache_mb = 1024;
  int workers = 2;
};
void describe(config::Fields& f, InputOptions& o);

struct TrainOptions {
  std::string optimiser = "sgd";
  double rate = 0.0025;
  double head_rate_factor = 10;
  double momentum = 0.9;
  double weight_decay = 1e-4;
  double poly_power = 0.9;
  double min_rate_share = 0.05;
  int horizon_steps = 0;
  int ramp_steps = 0;
  int batch_source = 2;
  int batch_target = 2;
  int accumulate = 1;
  std::vector<std::string> freeze;
  double copy_paste = 0;
  double source_weight_end = 1;
  double target_weight = 1;
  double aux_weight = 0.4;
  double ohem_threshold = 0.7;
  int ohem_min_kept = 100'000;
  double class_balance = 0;
  double ema_decay = 0.99;
  int max_bad_steps = 20;
  std::string precision = "float32";
};
void describe(config::Fields& f, TrainOptions& o);

struct ContrastOptions {
  double weight = 0;
  double start = 0.1;  // epoch 20 of 200
  int queries = 256;
  int negatives = 50;
  double temperature = 0.5;
  int bank = 30'000;
};
void describe(config::Fields& f, ContrastOptions& o);

struct SelfTrainOptions {
  double weight = 1;
  int batch = 2;
  std::string rule = "paper";
  double drop_percent = 20;  // a_0
  double least_confidence = 0;
  double confidence_power = 2;  // gamma
  double cutmix_share = 0.5;
  double labelled_weight = 0;
  bool class_sampling = false;
  bool adaptive_cutmix = false;
  ContrastOptions contrast;
  bool before_labels = false;
};
void describe(config::Fields& f, SelfTrainOptions& o);

struct GuardOptions {
  bool enabled = true;
  double share = 0.15;
  double tolerance = 0.01;
  double class_tolerance = 0.05;
  int min_pixels = 200;
  int min_class_pixels = 100;
  std::optional<std::int64_t> max_regions = {};
};
void describe(config::Fields& f, GuardOptions& o);

struct EngineOptions {
  std::string label_space = "cityscapes19";
  std::string device = "auto";
  int threads = 0;
  int norm_frames = 0;
  ModelOptions model;
  InputOptions input;
  TrainOptions train;
  SelfTrainOptions selftrain;
  AcquisitionOptions acquisition;
  GuardOptions guard;
};
void describe(config::Fields& f, EngineOptions& o);

ModelSpec spec_of(const EngineOptions& options);
RunsOn runs_on(const EngineOptions& options);

}  // namespace driftloop::adapt
