// The classifier knows interpreters and package managers by name, and no product: a rule for one product would say
// nothing about the next.
#include <gtest/gtest.h>

#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"

namespace {

namespace fs = std::filesystem;

std::string ReadAll(const fs::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// The products of the truth table and a few more, without the interpreters among them.
std::set<std::string> Products() {
  std::set<std::string> products = {
      "mysql",    "mongodb", "kafka",   "elasticsearch", "jenkins", "traefik", "caddy",     "envoy",     "etcd",
      "consul",   "vault",   "grafana", "squid",         "postfix", "dovecot", "cassandra", "wordpress", "rabbit",
      "postgres", "puma",    "uwsgi",   "gunicorn",      "celery",  "httpd",   "sshd"};
  std::ifstream in(fs::path(ORIGIN_CASES_SOURCES) / "origin_cases.tsv");
  for (std::string line; std::getline(in, line);) {
    const std::vector<std::string> columns = absl::StrSplit(line, '\t');
    if (!line.empty() && line[0] != '#' && columns.size() == 12 && columns[11] != "-") {
      products.insert(columns[11]);
    }
  }
  for (const char* interpreter :
       {"python", "perl", "php", "ruby", "lua", "erlang", "nodejs", "openjdk", "bash", "dash"}) {
    products.erase(interpreter);
  }
  return products;
}

bool HasWord(const std::string& text, const std::string& word) {
  const auto is_letter = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    const bool begins = at == 0 || !is_letter(text[at - 1]);
    const bool ends = at + word.size() == text.size() || !is_letter(text[at + word.size()]);
    if (begins && ends) {
      return true;
    }
  }
  return false;
}

TEST(Classifier, KnowsNoProductByName) {
  const std::set<std::string> products = Products();
  EXPECT_GE(products.size(), 20u);
  int files = 0;
  for (const auto& entry : fs::directory_iterator(CLASSIFIER_SOURCES)) {
    const std::string text = absl::AsciiStrToLower(ReadAll(entry.path()));
    ++files;
    for (const std::string& product : products) {
      EXPECT_FALSE(HasWord(text, product)) << product << " in " << entry.path().filename();
    }
  }
  EXPECT_GE(files, 10);
}

TEST(Classifier, TheSearchFindsWholeWords) {
  EXPECT_TRUE(HasWord("if (name == \"shopd\")", "shopd"));
  EXPECT_FALSE(HasWord("workshopd", "shopd"));
  EXPECT_FALSE(HasWord("shopds", "shopd"));
}

}  // namespace
