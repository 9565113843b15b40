// Every setting of the learner, with its unit, range and effect; no LibTorch in this header. Constants
// without another origin are the paper's (arXiv 2301.13361); where a default differs the comment says why.
#pragma once
#include <cstdint>
#include <string>

#include "adapt/acquisition/options.h"
#include "adapt/model/options.h"
#include "config/fields.h"

namespace driftloop::adapt {

struct InputOptions {
  int work_long_side_px =
      0;                    // images are resized so that the long side has this many pixels; 0 = as they are
  int crop_width_px = 769;  // training crop, in working pixels
  int crop_height_px = 769;
  double scale_min = 0.5;  // random scale of the training crop, half the draws below 1 and half above
  double scale_max = 2.0;
  double source_jitter = 0;   // strength of colour, blur and noise changes on source images; 0 = none (paper)
  double student_jitter = 0;  // the same on the student's view of unlabelled images
  int cache_mb = 1024;        // decoded images kept in memory, MiB
};
void describe(config::Fields& f, InputOptions& o);

struct TrainOptions {
  std::string optimiser =
      "sgd";             // "adamw" trains small nets from scratch in a few hundred steps, SGD does not
  double rate = 0.0025;  // learning rate of the backbone
  double head_rate_factor = 10;  // heads learn at rate x this
  double momentum = 0.9;         // SGD
  double weight_decay = 1e-4;
  double poly_power = 0.9;       // rate x (1 - step/horizon)^power, never below min_rate_share
  double min_rate_share = 0.05;  // a vehicle never stops learning; 0 = the paper
  int horizon_steps = 0;         // the schedule's length in steps over all rounds; 0 = constant rate
  int batch_source = 2;          // labelled source images per step
  int batch_target = 2;          // target images with returned labels per step, once there are any
  double target_weight =
      1;  // of the loss on returned labels: its own mean, so that few pixels are not drowned by full images
  double aux_weight = 0.4;
  double ohem_threshold = 0.7;  // hard pixels: true-class probability at most this
  int ohem_min_kept = 100'000;  // or among this many hardest
  double ema_decay = 0.99;      // of the teacher
  int max_bad_steps = 20;       // steps with a non-finite loss (skipped and counted) before training gives up
};
void describe(config::Fields& f, TrainOptions& o);

struct SelfTrainOptions {
  double weight = 1;  // of the consistency loss on unlabelled images; 0 = no self-training
  int batch = 2;      // unlabelled images per step
  std::string rule =
      "paper";  // which pseudo-labels are kept: "paper" drops the most uncertain, "as_released" the least
  double drop_percent = 20;     // a_0: percent of pixels dropped at the start, falling to 0 at the horizon
  double confidence_power = 2;  // gamma: each pixel counts by confidence^gamma
  double cutmix_share = 0.5;    // area of the pasted box
  bool before_labels = false;   // self-train before the first label returned: it can collapse, so it is off
};
void describe(config::Fields& f, SelfTrainOptions& o);

struct GuardOptions {
  bool enabled = true;
  double share = 0.15;  // of the regions asked each round: drawn at random, held out, never trained on
  double tolerance =
      0.01;              // share of right guard pixels that a candidate may lose, beyond one standard error
  int min_pixels = 200;  // with fewer guard pixels the live model is kept
  int max_regions = 0;   // the newest so many labelled guard regions are looked at; 0 = all
};
void describe(config::Fields& f, GuardOptions& o);

struct EngineOptions {
  std::string label_space = "cityscapes19";  // of the target; source labels are folded into it
  std::string device = "auto";               // "cpu", "cuda", or "auto" = CUDA where there is a GPU
  int threads = 0;                           // CPU threads of LibTorch; 0 = its own choice
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
