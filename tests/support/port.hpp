// port.hpp: a port for a server of a test.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

namespace support {

/// A port of the loopback that nobody has now.
inline int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof address;
  const bool has_port = ::bind(socket, reinterpret_cast<const sockaddr*>(&address), bytes) == 0 &&
                        ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &bytes) == 0;
  ::close(socket);
  if (!has_port) throw std::runtime_error("no free port on the loopback");
  return ntohs(address.sin_port);
}

}  // namespace support
