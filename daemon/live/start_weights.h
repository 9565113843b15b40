// The start weights of a state: the model of a vehicle begins with loop.weights once and then learns. Another
// file given later is not taken, and whoever gave it must be told.
#pragma once
#include <filesystem>
#include <string>

namespace driftloop::daemon {

/// Remembers in the state folder from which file its model began (name, size, time, SHA-256). Throws Error.
void note_start_weights(const std::filesystem::path& state, const std::filesystem::path& weights);

/// One line when `weights` is not what the state's model began with, and is therefore not used; "" when it
/// is, when none is given, or when the state does not know (then it has no model yet, or one that it made
/// itself).
std::string start_weights_notice(const std::filesystem::path& state, const std::string& weights);

enum class Began { now, earlier };
/// For the start of the daemon. `now`: the model begins with `weights`, which is remembered. `earlier`: a
/// saved model was found, so the notice; `weights` is remembered where an older daemon did not. What to log,
/// "" = nothing. Never throws: a full disk is no reason not to start.
std::string look_at_start_weights(const std::filesystem::path& state, const std::string& weights,
                                  Began began);

}  // namespace driftloop::daemon
