#include "balance/few_racers.h"

#include <algorithm>
#include <bit>
#include <cmath>
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
  const bool packs = racers.size() <= packed_max;
  if (packs || !order_) begin_anew();
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
    if (index < entrants_.size() && entrants_[index].racer.number == racers[index].number) continue;
    if (packs) entrants_.push_back(entered(racers[index]));
    else put_in(index, racers[index]);
  }
  gone_.resize(std::min(gone_.size(), gone_max));
  return packs ? packed() : show();
}

// Nobody is entered, and nobody's logarithms are forgotten yet.
void FewRacers::begin_anew() {
  order_.reset();
  gone_.insert(gone_.begin(), std::move_iterator(entrants_.begin()), std::move_iterator(entrants_.end()));
  entrants_.clear();
}

FewRacers::Entrant FewRacers::entered(const Racer& racer) {
  return {racer, logarithms_of(racer), std::log2(double{racer.weight})};
}

FewRacers::Logarithms FewRacers::logarithms_of(const Racer& racer) {
  const auto same = [&](const Entrant& other) { return racer.is_of_the_name_of(other.racer); };
  if (const auto known = std::ranges::find_if(gone_, same); known != gone_.end()) {
    Logarithms logs = std::move(known->logs);
    gone_.erase(known);
    return logs;
  }
  Logarithms logs = std::make_shared_for_overwrite<int16_t[]>(stride_);
  float numbers[lanes];
  for (uint32_t first = 0; first < stride_; first += lanes) {
    race_.numbers<lanes>(racer, first, numbers);
    take_logarithms(numbers, logs.get() + first);
  }
  return logs;
}

// --- one slot, exactly -----------------------------------------------------------------------------------------------

// Whether the one is before the other: by their logarithms, or where these leave it open by their times and names.
bool FewRacers::is_earlier(uint32_t slot, size_t one, size_t other) const noexcept {
  const int behind = entrants_[one].logs[slot] - handicap(one, other) - entrants_[other].logs[slot];
  const bool low = std::min(entrants_[one].logs[slot], entrants_[other].logs[slot]) == too_low;
  if (!low && std::abs(behind) >= certain_steps) return behind < 0;
  const Racer &racer = entrants_[one].racer, &rival = entrants_[other].racer;
  const float time = race_.time(racer, race_.stratum(racer, slot));
  const float rivals = race_.time(rival, race_.stratum(rival, slot));
  return time != rivals ? time < rivals : racer.precedes(rival);
}

// What the logarithms of the one are lowered by, so that those of the other can be compared with them.
int16_t FewRacers::handicap(size_t one, size_t other) const noexcept {
  const double octaves = entrants_[one].log_weight - entrants_[other].log_weight;
  return static_cast<int16_t>(std::lround(octaves * double{steps_per_octave}));
}

// --- up to four ------------------------------------------------------------------------------------------------------

Places FewRacers::packed() const {
  const std::shared_ptr<uint8_t[]> cells = std::make_shared_for_overwrite<uint8_t[]>(stride_);
  switch (entrants_.size()) {
    case 1: pack<1>(cells.get()); break;
    case 2: pack<2>(cells.get()); break;
    case 3: pack<3>(cells.get()); break;
    default: pack<4>(cells.get());
  }
  Places places;
  places.slots = slots_;
  places.stride = 0;
  places.depth = static_cast<uint32_t>(entrants_.size());
  places.members = {};
  places.few = cells;
  places.few_bits = 2;
  places.few_mask = 3;
  return places;
}

template <size_t racers>
void FewRacers::pack(uint8_t* cells) const {
  const int16_t* logs[4] = {};
  int16_t handicaps[4][4] = {};
  for (size_t i = 0; i < racers; ++i) {
    logs[i] = entrants_[i].logs.get();
    for (size_t j = 0; j < racers; ++j) handicaps[i][j] = handicap(i, j);
  }
  for (uint32_t first = 0; first < stride_; first += packed_at_once) {
    uint64_t unsure[2];
    pack_order<racers>(logs, handicaps, first, cells, unsure);
    for (uint32_t half = 0; half < 2; ++half) {
      while (unsure[half] != 0) {
        const auto byte = static_cast<uint32_t>(std::countr_zero(unsure[half])) / 8;
        const uint32_t slot = first + 8 * half + byte;
        cells[slot] = exact_cell(slot);
        unsure[half] &= ~(uint64_t{0xFF} << 8 * byte);
      }
    }
  }
  // Where a number can be too low for its logarithm: in its racer's first stratum.
  for (const Entrant& entrant : entrants_) {
    if (const uint32_t slot = race_.slot(entrant.racer, 0); slot < slots_) cells[slot] = exact_cell(slot);
  }
}

uint8_t FewRacers::exact_cell(uint32_t slot) const noexcept {
  unsigned places[packed_max] = {};
  for (size_t i = 1; i < entrants_.size(); ++i) {
    for (size_t j = 0; j < i; ++j) ++places[is_earlier(slot, i, j) ? j : i];
  }
  unsigned cell = 0;
  for (size_t i = 1; i < entrants_.size(); ++i) cell |= static_cast<unsigned>(i) << 2 * places[i];
  return static_cast<uint8_t>(cell);
}

// --- more: changes ---------------------------------------------------------------------------------------------------

void FewRacers::take_out(size_t index) {
  rearrange(static_cast<uint8_t>(index), nobody);
  gone_.insert(gone_.begin(), std::move(entrants_[index]));
  entrants_.erase(entrants_.begin() + static_cast<ptrdiff_t>(index));
  renumber(static_cast<uint8_t>(index), static_cast<uint8_t>(-1));
}

void FewRacers::put_in(size_t index, const Racer& racer) {
  if (!order_) order_ = new_order();
  renumber(static_cast<uint8_t>(index), 1);
  entrants_.insert(entrants_.begin() + static_cast<ptrdiff_t>(index), entered(racer));
  rearrange(nobody, static_cast<uint8_t>(index));
}

void FewRacers::reweigh(size_t index, float weight) {
  entrants_[index].racer.weight = weight;
  entrants_[index].log_weight = std::log2(double{weight});
  rearrange(static_cast<uint8_t>(index), static_cast<uint8_t>(index));
}

// --- more: passes over the slots -------------------------------------------------------------------------------------

Places FewRacers::show() const {
  Places places;
  places.slots = slots_;
  places.stride = order_stride();
  places.depth = static_cast<uint32_t>(std::min(fallbacks_max + 1, entrants_.size()));
  places.members = {};
  places.few = order_;
  return places;
}

// In every slot the leaver, where there is one, is taken out, and the comer, where there is one, put in where it
// belongs. Where nobody leaves, the last place is free.
void FewRacers::rearrange(uint8_t leaver, uint8_t comer) {
  const std::shared_ptr<uint8_t[]> old = std::exchange(order_, new_order());
  uint8_t comes_to[lanes];
  std::fill_n(comes_to, lanes, nobody);
  for (uint32_t first = 0; first < stride_; first += lanes) {
    if (comer != nobody) find_places(first, comer, comes_to);
    move_in_order(old.get() + first, order_.get() + first, order_stride(), entrants_.size(), leaver, comer, comes_to);
  }
}

// For all racers that there are, and one more: rearrange() reads one place too many.
std::shared_ptr<uint8_t[]> FewRacers::new_order() const {
  return std::make_shared_for_overwrite<uint8_t[]>((entrants_.size() + 1) * order_stride());
}

// For each slot from `first` on: how many of the others come before this one.
void FewRacers::find_places(uint32_t first, uint8_t comer, uint8_t* places) const {
  uint16_t earlier[lanes] = {}, unsure[lanes] = {};
  for (uint8_t index = 0; index < entrants_.size(); ++index) {
    // Where its number can be too low for its logarithm: in its first stratum.
    const uint32_t lane = race_.slot(entrants_[index].racer, 0) - first;
    if (lane < lanes) unsure[lane] = 1;
    if (index == comer) continue;
    count_earlier(entrants_[index].logs.get() + first, entrants_[comer].logs.get() + first, handicap(comer, index),
                  earlier, unsure);
  }
  narrow(earlier, places);
  for (uint32_t lane = 0; lane < lanes; ++lane) {
    if (unsure[lane] != 0) places[lane] = exact_place(first + lane, comer);
  }
}

uint8_t FewRacers::exact_place(uint32_t slot, uint8_t comer) const noexcept {
  uint8_t place = 0;
  for (size_t index = 0; index < entrants_.size(); ++index) {
    if (index != comer && is_earlier(slot, index, comer)) ++place;
  }
  return place;
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
