#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/intrusive_list.h"
#include "base/slab.h"

namespace ringmaster {
namespace {

// --- addresses ------------------------------------------------------------------------------------------------------

TEST(SocketAddress, ReadsWhatItPrints) {
  for (const std::string text : {"127.0.0.1:5000", "0.0.0.0:0", "[::1]:80", "[2001:db8::1]:65535", "unix:/run/x.sock",
                                 "unix:@abstract"}) {
    const auto address = SocketAddress::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->text(), text);
    EXPECT_EQ(*address, SocketAddress::parse(text).value());
  }
}

TEST(SocketAddress, RefusesNamesAndMalformedPorts) {
  for (const std::string text : {"", "localhost:80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1",
                                 "127.0.0.1:80 ", "::1:80", "[::1]", "[127.0.0.1]:80", "unix:"}) {
    EXPECT_FALSE(SocketAddress::parse(text)) << text;
  }
  EXPECT_FALSE(SocketAddress::parse("unix:" + std::string(200, 'x')));
}

TEST(SocketAddress, KnowsLoopback) {
  for (const char* text : {"127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "unix:/x"}) {
    EXPECT_TRUE(SocketAddress::parse(text)->is_loopback()) << text;
  }
  for (const char* text : {"0.0.0.0:1", "10.0.0.1:1", "[::]:1"}) {
    EXPECT_FALSE(SocketAddress::parse(text)->is_loopback()) << text;
  }
}

TEST(SocketAddress, GivesAMappedClientItsIpv4Name) {
  EXPECT_EQ(SocketAddress::parse("[::ffff:192.0.2.1]:9")->ip_text(), "192.0.2.1");
  EXPECT_EQ(SocketAddress::parse("[2001:db8::1]:9")->ip_text(), "2001:db8::1");
  EXPECT_EQ(SocketAddress::parse("unix:/x")->ip_text(), "");
}

// --- slabs ----------------------------------------------------------------------------------------------------------

struct Counted {
  Counted(uint32_t index_, uint32_t generation_, int& live_) : index(index_), generation(generation_), live(live_) {
    ++live;
  }
  ~Counted() { --live; }
  uint32_t index, generation;
  int& live;
};

TEST(Slab, FindsAnItemByIndexAndGenerationUntilItIsFreed) {
  int live = 0;
  Slab<Counted, 4> slab;
  Counted& first = *slab.make(live);
  const uint32_t index = first.index, generation = first.generation;
  EXPECT_EQ(slab.get(index, generation), &first);
  slab.free(index);
  EXPECT_EQ(slab.get(index, generation), nullptr);
  Counted& second = *slab.make(live);
  EXPECT_EQ(second.index, index);  // the warmest memory first
  EXPECT_NE(second.generation, generation);
  EXPECT_EQ(slab.get(index, generation), nullptr);
  EXPECT_EQ(live, 1);
}

TEST(Slab, GrowsWithoutMovingAndDestroysWhatIsLeft) {
  int live = 0;
  {
    Slab<Counted, 4> slab;
    std::vector<Counted*> items;
    for (int i = 0; i < 30; ++i) items.push_back(slab.make(live));
    for (Counted* item : items) EXPECT_EQ(slab.get(item->index, item->generation), item);
    EXPECT_EQ(slab.live(), 30u);
    int visited = 0;
    slab.each([&](Counted&) { ++visited; });
    EXPECT_EQ(visited, 30);
    for (int i = 0; i < 10; ++i) slab.free(static_cast<uint32_t>(i));
    EXPECT_EQ(live, 20);
  }
  EXPECT_EQ(live, 0);
}

// --- lists ----------------------------------------------------------------------------------------------------------

struct Item : Link<struct ATag>, Link<struct BTag> {
  int value = 0;
};

TEST(List, KeepsOrderAndLetsAnItemLeaveFromTheMiddle) {
  List<Item, ATag> list;
  Item items[3];
  for (int i = 0; i < 3; ++i) {
    items[i].value = i;
    list.push_back(items[i]);
  }
  static_cast<Link<ATag>&>(items[1]).unlink();
  EXPECT_EQ(list.pop_front()->value, 0);
  EXPECT_EQ(list.pop_front()->value, 2);
  EXPECT_EQ(list.pop_front(), nullptr);
}

TEST(List, TakesAnItemInFrontOfAnother) {
  List<Item, ATag> list;
  Item items[3];
  list.push_back(items[2]);
  list.insert_before(items[2], items[1]);
  list.insert_before(items[1], items[0]);
  for (Item& item : items) EXPECT_EQ(list.pop_front(), &item);
  EXPECT_TRUE(list.empty());
}

TEST(List, HoldsAnItemOnceForEachTag) {
  List<Item, ATag> a;
  List<Item, BTag> b;
  Item item;
  a.push_front(item);
  b.push_front(item);
  EXPECT_EQ(a.front(), &item);
  static_cast<Link<ATag>&>(item).unlink();
  EXPECT_TRUE(a.empty());
  EXPECT_EQ(b.back(), &item);
  static_cast<Link<BTag>&>(item).unlink();
}

TEST(ListDeathTest, RefusesAnItemThatIsLinkedAlready) {
  List<Item, ATag> list;
  Item item;
  list.push_back(item);
  EXPECT_DEATH(list.push_back(item), "broken invariant");
  list.pop_front();
}

// --- errors and descriptors -----------------------------------------------------------------------------------------

TEST(Error, SaysWhatWasBeingDone) {
  EXPECT_EQ(to_string(Error::from_errno(ECONNREFUSED, "connect")), "connect: Connection refused");
  EXPECT_EQ(to_string(Error{ErrorKind::timed_out, 0, "heartbeat"}), "heartbeat: timed out");
}

TEST(Fd, ClosesOnceAndMoves) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  Fd reading(ends[0]);
  {
    Fd writing(ends[1]);
    Fd moved = std::move(writing);
    EXPECT_FALSE(writing);
    EXPECT_EQ(moved.get(), ends[1]);
  }
  char byte;
  EXPECT_EQ(read(reading.get(), &byte, 1), 0);  // the only writer is gone
}

}  // namespace
}  // namespace ringmaster
