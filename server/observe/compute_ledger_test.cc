#include "server/observe/compute_ledger.h"

#include <gtest/gtest.h>

namespace msq::server {
namespace {

ComputeLedger::Time At(int seconds) {
  return ComputeLedger::Time() + std::chrono::seconds(seconds);
}

TEST(ComputeLedgerTest, CountsBatchesAndTheTimeWithAny) {
  ComputeLedger ledger;
  ComputeLedger::Account* a = ledger.Open("a", "1", "cpu");
  ComputeLedger::Account* b = ledger.Open("b", "2", "cpu");
  ledger.Begin(a, At(10));
  ledger.Begin(a, At(11));
  ledger.End(a, At(13));
  ledger.Begin(b, At(13));
  const ComputeLedger::Snapshot during = ledger.Read(At(14));  // one of each is open
  ASSERT_EQ(during.accounts.size(), 2u);
  EXPECT_EQ(during.accounts[0].model, "a");
  EXPECT_EQ(during.accounts[0].version, "1");
  EXPECT_EQ(during.accounts[0].backend, "cpu");
  EXPECT_EQ(during.accounts[0].seconds, 1 + 2 * 2 + 1);
  EXPECT_EQ(during.accounts[1].seconds, 1);
  EXPECT_EQ(during.backends.at("cpu").any_seconds, 4);
  ledger.End(a, At(14));
  ledger.End(b, At(15));
  const ComputeLedger::Snapshot after = ledger.Read(At(100));
  EXPECT_EQ(after.accounts[0].seconds, 6);
  EXPECT_EQ(after.accounts[1].seconds, 2);
  EXPECT_EQ(after.backends.at("cpu").any_seconds, 5);
  EXPECT_EQ(after.backends.at("cpu").seconds, 8);
}

TEST(ComputeLedgerTest, AnAccountThatIsOpenedAgainIsAnother) {
  ComputeLedger ledger;
  ComputeLedger::Account* account = ledger.Open("a", "1", "cpu");
  ledger.Begin(account, At(1));
  ledger.End(account, At(2));
  const uint64_t number = ledger.Read(At(2)).accounts[0].account;
  ledger.Close(account);
  EXPECT_TRUE(ledger.Read(At(3)).accounts.empty());
  EXPECT_EQ(ledger.Read(At(3)).backends.at("cpu").any_seconds, 1);  // that remains
  EXPECT_EQ(ledger.Read(At(3)).backends.at("cpu").seconds, 1);
  ledger.Open("a", "1", "cpu");
  EXPECT_NE(ledger.Read(At(4)).accounts[0].account, number);
  EXPECT_EQ(ledger.Read(At(4)).accounts[0].seconds, 0);
}

TEST(ComputeLedgerTest, TimesThatOvertakeEachOtherDoNoHarm) {
  ComputeLedger ledger;
  ComputeLedger::Account* account = ledger.Open("a", "1", "cpu");
  ledger.Begin(account, At(10));
  ledger.Begin(account, At(9));  // another thread's, which took its time before
  ledger.End(account, At(12));
  ledger.End(account, At(11));
  EXPECT_EQ(ledger.Read(At(12)).accounts[0].seconds, 4);
  EXPECT_EQ(ledger.Read(At(12)).backends.at("cpu").any_seconds, 2);
}

}  // namespace
}  // namespace msq::server
