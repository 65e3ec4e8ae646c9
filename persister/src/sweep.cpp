#include "sweep.hpp"

#include <string>

#include "window.hpp"

namespace ringdown {
namespace {

constexpr std::int64_t rows_max = 32;  // from one look at the clock to the next

}  // namespace

bool Sweep::run(Budget& budget) {
  if (is_done_) return false;
  const auto free_pages = [&] { return database_.query_integer("PRAGMA freelist_count"); };
  Transaction transaction(database_);
  const auto before = free_pages();
  is_done_ = sweep_batches(budget) && sweep_rows("chunks", at_[1], budget) && sweep_rows("columns", at_[2], budget);
  freed_ += free_pages() - before;
  transaction.commit();
  return !is_done_;
}

/// Damaged ones stay until they expire: somebody may be able to read them.
bool Sweep::sweep_batches(Budget& budget) {
  const auto through = window::read_sealed(database_).through_batch;
  auto& next = database_.prepared(
      "SELECT id FROM batches WHERE id > ? AND id <= ? AND id NOT IN (SELECT batch FROM damaged_batches) ORDER BY id LIMIT 1");
  for (;;) {
    next.bind(1, at_[0]).bind(2, through);
    const bool found = next.step();
    const auto id = next.integer(0);
    next.reset();
    if (!found) return true;
    if (budget.spent()) return false;
    database_.prepared("DELETE FROM batches WHERE id = ?").bind(1, id).run();
    at_[0] = id;
  }
}

bool Sweep::sweep_rows(const char* table, std::int64_t& window, Budget& budget) {
  const std::string name = table;
  auto& first = database_.prepared("SELECT id FROM " + name + " WHERE id >= ? ORDER BY id LIMIT 1");
  auto& is_there = database_.prepared("SELECT 1 FROM windows WHERE id = ?");
  auto& erase = database_.prepared("DELETE FROM " + name + " WHERE id IN (SELECT id FROM " + name +
                                   " WHERE id >= ? AND id < ? ORDER BY id LIMIT ?)");
  for (;;) {
    first.bind(1, window::row_id(window, 0));
    const bool found = first.step();
    const auto id = first.integer(0);
    first.reset();
    if (!found) return true;
    window = window::window_of(id);
    is_there.bind(1, window);
    const bool stays = is_there.step();
    is_there.reset();
    if (budget.spent()) return false;
    if (stays)
      ++window;
    else
      erase.bind(1, id).bind(2, window::row_id(window + 1, 0)).bind(3, rows_max).run();
  }
}

}  // namespace ringdown
