#include "common/addresses.h"

#include <string>

#include "absl/container/flat_hash_set.h"
#include "gtest/gtest.h"

namespace ppmm {
namespace {

IpAddress Address(absl::string_view text) {
  return IpAddress::Parse(text).value();
}

std::string ConnectError(absl::string_view text) {
  return std::string(ParseHostPort(text).status().message());
}

std::string ListenError(absl::string_view text) {
  return std::string(ParseListenAddress(text).status().message());
}

std::string NetworkError(absl::string_view text) {
  return std::string(Network::Parse(text).status().message());
}

TEST(IpAddressTest, IsReadAndWritten) {
  for (const char* text : {"0.0.0.0", "127.0.0.1", "255.255.255.255", "::", "::1", "fd00:1::7", "2001:db8::ff"}) {
    EXPECT_EQ(Address(text).ToString(), text);
  }
  EXPECT_EQ(Address("FD00::0:7").ToString(), "fd00::7");
  EXPECT_TRUE(IpAddress().IsUnspecified());
}

TEST(IpAddressTest, TakesIpv4WithinIpv6AsIpv4) {
  EXPECT_EQ(Address("::ffff:10.0.0.1"), Address("10.0.0.1"));
  EXPECT_TRUE(Address("::ffff:127.0.0.1").IsLoopback());
  EXPECT_TRUE(Address("::ffff:10.0.0.1").is_v4());
  EXPECT_FALSE(Address("::1").is_v4());
}

TEST(IpAddressTest, RefusesWhatIsNone) {
  for (const std::string text :
       {"", "10.0.0", "10.0.0.256", "010.0.0.1x", "[::1]", "fe80::1%eth0", "host", "1.2.3.4 ", "\xff"}) {
    EXPECT_FALSE(IpAddress::Parse(text).ok()) << text;
  }
  EXPECT_FALSE(IpAddress::Parse(absl::string_view("10.0.0.1\0x", 10)).ok());
  EXPECT_EQ(IpAddress::Parse("10.0.0").status().message(), "\"10.0.0\" is no IP address");
}

TEST(IpAddressTest, KnowsItsRangesAtTheirEdges) {
  for (const char* text : {"127.0.0.0", "127.255.255.255", "::1"}) {
    EXPECT_TRUE(Address(text).IsLoopback()) << text;
  }
  for (const char* text : {"126.255.255.255", "128.0.0.0", "::", "::2"}) {
    EXPECT_FALSE(Address(text).IsLoopback()) << text;
  }
  for (const char* text : {"10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0",
                           "192.168.255.255", "100.64.0.0", "100.127.255.255", "fc00::", "fdff::1"}) {
    EXPECT_TRUE(Address(text).IsPrivate()) << text;
  }
  for (const char* text :
       {"9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "100.63.255.255",
        "100.128.0.0", "fbff::1", "fe00::1", "8.8.8.8", "2001:db8::1"}) {
    EXPECT_FALSE(Address(text).IsPrivate()) << text;
  }
  EXPECT_TRUE(Address("169.254.169.254").IsLinkLocal());
  EXPECT_TRUE(Address("febf::1").IsLinkLocal());
  EXPECT_FALSE(Address("169.253.255.255").IsLinkLocal());
  EXPECT_FALSE(Address("fec0::1").IsLinkLocal());
  EXPECT_TRUE(Address("224.0.0.1").IsMulticast());
  EXPECT_TRUE(Address("239.255.255.255").IsMulticast());
  EXPECT_TRUE(Address("ff02::1").IsMulticast());
  EXPECT_FALSE(Address("240.0.0.0").IsMulticast());
  EXPECT_FALSE(Address("223.255.255.255").IsMulticast());
  EXPECT_TRUE(Address("::").IsUnspecified());
}

TEST(IpAddressTest, IsAKeyOfAMap) {
  const absl::flat_hash_set<IpAddress> set = {Address("10.0.0.1"), Address("::ffff:10.0.0.1"), Address("::1")};
  EXPECT_EQ(set.size(), 2u);
}

TEST(NetworkTest, ContainsItsAddressesOnly) {
  const Network ten = Network::Parse("10.20.0.0/15").value();
  EXPECT_TRUE(ten.Contains(Address("10.21.255.255")));
  EXPECT_FALSE(ten.Contains(Address("10.22.0.0")));
  EXPECT_FALSE(ten.Contains(Address("fd00::1")));
  EXPECT_TRUE(Network::Parse("0.0.0.0/0").value().Contains(Address("255.0.0.1")));
  EXPECT_FALSE(Network::Parse("::/0").value().Contains(Address("10.0.0.1"))) << "an IPv6 network holds no IPv4";
  EXPECT_TRUE(Network::Parse("2001:db8::/33").value().Contains(Address("2001:db8:7fff::1")));
  EXPECT_FALSE(Network::Parse("2001:db8::/33").value().Contains(Address("2001:db8:8000::1")));
  const Network one = Network::Parse("192.0.2.7").value();
  EXPECT_EQ(one.ToString(), "192.0.2.7/32");
  EXPECT_TRUE(one.Contains(Address("192.0.2.7")));
  EXPECT_FALSE(one.Contains(Address("192.0.2.6")));
  EXPECT_EQ(Network::Parse("2001:db8::/32").value().ToString(), "2001:db8::/32");
}

TEST(NetworkTest, SaysWhatIsWrong) {
  EXPECT_EQ(NetworkError("office"), "\"office\" is no network; write a network as 10.20.0.0/16 or fd00:1::/32");
  EXPECT_EQ(NetworkError("10.0.0.0/33"),
            "\"10.0.0.0/33\" has no prefix from 0 to 32; write a network as 10.20.0.0/16 or fd00:1::/32");
  EXPECT_EQ(NetworkError("10.1.2.3/8"), "\"10.1.2.3/8\" has bits beyond its prefix; write 10.0.0.0/8");
  for (const char* text : {"", "/8", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0.0/ 8", "::/129"}) {
    EXPECT_FALSE(Network::Parse(text).ok()) << text;
  }
}

TEST(NetworkTest, OfAnOrganizationIsNotHalfTheInternet) {
  EXPECT_EQ(Network::ParseOwn("0.0.0.0/0").status().message(),
            "\"0.0.0.0/0\" is wider than any organization's; write networks of a prefix of 8 or more");
  EXPECT_EQ(Network::ParseOwn("2000::/3").status().message(),
            "\"2000::/3\" is wider than any organization's; write networks of a prefix of 16 or more");
  EXPECT_EQ(Network::ParseOwn("10.1.2.3/8").status().message(), NetworkError("10.1.2.3/8"));
  for (const char* text : {"10.0.0.0/8", "192.0.2.7", "2001::/16", "fd00:1::/32"}) {
    EXPECT_EQ(Network::ParseOwn(text).value(), Network::Parse(text).value()) << text;
  }
}

TEST(ParseHostPortTest, ReadsAddressesAndNames) {
  EXPECT_EQ(ParseHostPort("127.0.0.1:7767").value(), (HostPort{"127.0.0.1", 7767}));
  EXPECT_EQ(ParseHostPort("[::1]:1").value(), (HostPort{"::1", 1}));
  EXPECT_EQ(ParseHostPort("collector.example:65535").value(), (HostPort{"collector.example", 65535}));
  for (const char* text : {"127.0.0.1:7767", "[fd00::7]:80", "web-1_a.example:80"}) {
    EXPECT_EQ(ParseHostPort(text).value().ToString(), text);
  }
}

TEST(ParseHostPortTest, SaysWhatIsWrong) {
  const std::string form = "; write ADDRESS:PORT, as 10.0.0.7:7767, [fd00::7]:7767 or collector.example:7767";
  EXPECT_EQ(ConnectError("collector"), "\"collector\" has no port" + form);
  EXPECT_EQ(ConnectError("[::1]"), "\"[::1]\" has no port" + form);
  EXPECT_EQ(ConnectError("::1:80"), "\"::1:80\" needs brackets around the IPv6 address" + form);
  EXPECT_EQ(ConnectError("a:0"), "\"a:0\" has no port from 1 to 65535" + form);
  EXPECT_EQ(ConnectError("a:70000"), "\"a:70000\" has no port from 1 to 65535" + form);
  EXPECT_EQ(ConnectError(":80"), "\":80\" has no address before the port" + form);
  EXPECT_EQ(ConnectError("10.0.0:80"), "\"10.0.0:80\" has an address that is none" + form);
  EXPECT_EQ(ConnectError("http://a:80"), "\"http://a:80\" is a URL" + form);
  for (const char* text : {"", ":", "a:", "a:+1", "a: 1", "a:1 ", "a b:1", "[a]:1", "[]:1", "[::1:1", "a/b:1"}) {
    EXPECT_FALSE(ParseHostPort(text).ok()) << text;
  }
  EXPECT_FALSE(ParseHostPort(std::string(254, 'a') + ":1").ok());
}

TEST(ParseListenAddressTest, WantsAnAddressOfThisHost) {
  EXPECT_EQ(ParseListenAddress("0.0.0.0:0").value(), (HostPort{"0.0.0.0", 0}));
  EXPECT_EQ(ParseListenAddress("localhost:80").value(), (HostPort{"127.0.0.1", 80}));
  EXPECT_EQ(ListenError("web1:80"),
            "\"web1:80\" names a host, and listening needs an address of this one; write ADDRESS:PORT, as "
            "127.0.0.1:7767, [::1]:7767 or 0.0.0.0:7767");
  EXPECT_EQ(ListenError("80"), "\"80\" has no port; write ADDRESS:PORT, as 127.0.0.1:7767, [::1]:7767 or 0.0.0.0:7767");
}

TEST(HostPortTest, KnowsLoopback) {
  EXPECT_TRUE(ParseHostPort("127.8.0.1:1").value().IsLoopback());
  EXPECT_TRUE(ParseHostPort("[::1]:1").value().IsLoopback());
  EXPECT_TRUE(ParseHostPort("LocalHost:1").value().IsLoopback());
  EXPECT_FALSE(ParseHostPort("0.0.0.0:1").value().IsLoopback());
  EXPECT_FALSE(ParseHostPort("localhost.example:1").value().IsLoopback());
}

}  // namespace
}  // namespace ppmm
