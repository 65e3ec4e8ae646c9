// remote_write_config.hpp: the configuration's tables [[remote_write]].
#pragma once

#include <vector>

#include "remote_write_settings.hpp"
#include "section.hpp"

namespace ringdown {

/// One destination a table. What is wrong is added to the section's errors.
std::vector<RemoteWriteSettings> read_remote_write(Section& top);

}  // namespace ringdown
