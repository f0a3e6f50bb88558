#include "balance/few_racers.h"

#include <algorithm>
#include <utility>

namespace ringmaster::balance {

FewRacers::FewRacers(const Race& race, uint32_t slots)
    : race_(race), slots_(slots), stride_((slots + lanes - 1) / lanes * lanes) {}

void FewRacers::clear() noexcept {
  entrants_.clear();
  gone_.clear();
  order_.reset();
}

Places FewRacers::places(std::span<const Racer> racers) {
  const auto next_of = [&](const Racer& racer) {
    const auto found = std::ranges::lower_bound(racers, racer.number, {}, &Racer::number);
    return found != racers.end() && found->number == racer.number ? &*found : nullptr;
  };
  for (size_t index = entrants_.size(); index-- > 0;) {
    if (next_of(entrants_[index].racer) == nullptr) take_out(index);
  }
  for (size_t index = 0; index < entrants_.size(); ++index) {
    const float weight = next_of(entrants_[index].racer)->weight;
    if (weight != entrants_[index].racer.weight) reweigh(index, weight);
  }
  for (size_t index = 0; index < racers.size(); ++index) {
    if (index == entrants_.size() || entrants_[index].racer.number != racers[index].number) {
      put_in(index, racers[index]);
    }
  }
  return show();
}

Places FewRacers::show() const {
  Places places;
  places.slots = slots_;
  places.stride = order_stride();
  places.depth = static_cast<uint32_t>(std::min(fallbacks_max + 1, entrants_.size()));
  places.members = {};
  places.few = order_;
  return places;
}

// --- changes ---------------------------------------------------------------------------------------------------------

void FewRacers::take_out(size_t index) {
  rearrange(static_cast<uint8_t>(index), nobody);
  gone_.insert(gone_.begin(), std::move(entrants_[index]));
  gone_.front().times.reset();
  gone_.resize(std::min(gone_.size(), gone_max));
  entrants_.erase(entrants_.begin() + static_cast<ptrdiff_t>(index));
  renumber(static_cast<uint8_t>(index), static_cast<uint8_t>(-1));
}

void FewRacers::put_in(size_t index, const Racer& racer) {
  if (!order_) order_ = new_order();
  renumber(static_cast<uint8_t>(index), 1);
  entrants_.insert(entrants_.begin() + static_cast<ptrdiff_t>(index), {racer, numbers_of(racer), {}});
  rearrange(nobody, static_cast<uint8_t>(index));
}

void FewRacers::reweigh(size_t index, float weight) {
  entrants_[index].racer.weight = weight;
  rearrange(static_cast<uint8_t>(index), static_cast<uint8_t>(index));
}

FewRacers::BySlot FewRacers::numbers_of(const Racer& racer) {
  const auto same = [&](const Entrant& other) { return racer.is_of_the_name_of(other.racer); };
  if (const auto known = std::ranges::find_if(gone_, same); known != gone_.end()) {
    BySlot numbers = std::move(known->numbers);
    gone_.erase(known);
    return numbers;
  }
  BySlot numbers = std::make_shared_for_overwrite<float[]>(stride_);
  for (uint32_t first = 0; first < stride_; first += lanes) race_.numbers<lanes>(racer, first, numbers.get() + first);
  return numbers;
}

// --- passes over the slots -------------------------------------------------------------------------------------------

// In every slot the leaver, where there is one, is taken out, and the comer, where there is one, put in where it
// belongs. Where nobody leaves, the last place is free.
void FewRacers::rearrange(uint8_t leaver, uint8_t comer) {
  if (comer != nobody) {
    Entrant& entrant = entrants_[comer];
    entrant.times = entrant.racer.weight == 1 ? entrant.numbers : std::make_shared_for_overwrite<float[]>(stride_);
  }
  const std::shared_ptr<uint8_t[]> old = std::exchange(order_, new_order());
  uint8_t comes_to[lanes];
  std::fill_n(comes_to, lanes, nobody);
  for (uint32_t first = 0; first < stride_; first += lanes) {
    if (comer != nobody) count_earlier(first, comer, comes_to);
    move_in_order(old.get() + first, order_.get() + first, order_stride(), entrants_.size(), leaver, comer, comes_to);
  }
}

// For all racers that there are, and one more: rearrange() reads one place too many.
std::shared_ptr<uint8_t[]> FewRacers::new_order() const {
  return std::make_shared_for_overwrite<uint8_t[]>((entrants_.size() + 1) * order_stride());
}

// For each slot from `first` on: how many of the others come before this one, whose times are written on the way.
void FewRacers::count_earlier(uint32_t first, uint8_t comer, uint8_t* places) const {
  const Entrant& entrant = entrants_[comer];
  float* const times = entrant.times.get() + first;
  if (entrant.times != entrant.numbers) divide(entrant.numbers.get() + first, entrant.racer.weight, times);
  uint32_t earlier[lanes] = {};
  for (size_t index = 0; index < entrants_.size(); ++index) {
    if (index == comer) continue;
    const Entrant& other = entrants_[index];
    if (other.racer.precedes(entrant.racer)) count_not_later(other.times.get() + first, times, earlier);
    else count_before(other.times.get() + first, times, earlier);
  }
  narrow(earlier, places);
}

// A table may show the order: then it is a copy that is changed.
void FewRacers::renumber(uint8_t from, uint8_t step) {
  if (from >= entrants_.size()) return;
  const size_t cells = entrants_.size() * order_stride();
  if (order_.use_count() > 1) {
    const std::shared_ptr<uint8_t[]> shown = std::exchange(order_, new_order());
    std::copy_n(shown.get(), cells, order_.get());
  }
  for (size_t first = 0; first < cells; first += lanes) move_members(order_.get() + first, from, step);
}

}  // namespace ringmaster::balance
