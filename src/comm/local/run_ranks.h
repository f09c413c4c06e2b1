// run_ranks: ranks as threads of one process. What runs on them cannot tell it from ranks of several machines.
#pragma once

#include <functional>

#include "comm/communicator.h"

namespace invar {

// Runs the body on ranks 0 to size - 1, rank 0 on the calling thread, and returns when all have ended. size >= 1; a
// group of one starts no thread.
//
// A rank that ends, with Ok, an error or an exception, while others wait for it in a collective makes theirs return an
// error that names it: nothing waits for ever. Returned is the error of the lowest rank that failed by itself; what
// such a rank threw is thrown here instead. Bugs: ranks that call different collectives.
Status run_ranks(int size, const std::function<Status(Communicator&)>& body);

}  // namespace invar
