// Settings of the C library and of OpenMP that a process can only be started with.
#pragma once

namespace driftloop::daemon {

/// Starts this program anew, once, with what training needs and the environment does not say already. Threads
/// of OpenMP that wait for one another spin for milliseconds by default; where another process wants the core
/// (an arm beside this one, a compiler) two such threads nearly stop. And a step frees and takes the same
/// hundreds of megabytes again and again: they stay with the process, in large pages. Returns where there is
/// nothing to add or the start fails: all goes on as well, more slowly.
void restart_for_training(char** argv);
/// The part of OpenMP alone, for a service that runs for months beside others.
void restart_with_patient_threads(char** argv);

}  // namespace driftloop::daemon
