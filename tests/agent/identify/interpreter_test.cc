#include "agent/identify/interpreter.h"

#include <gtest/gtest.h>

#include <random>

#include "absl/strings/str_split.h"

#include "tests/agent/identify/fake_root.h"

namespace ppmm {
namespace {

class InterpreterTest : public ::testing::Test {
 protected:
  InterpreterTest() {
    for (const char* file : {"/srv/shop/app.py",
                             "/srv/shop/web/__main__.py",
                             "/srv/shop/web/wsgi.py",
                             "/srv/shop/server.js",
                             "/srv/shop/run.sh",
                             "/srv/shop/job.rb",
                             "/srv/shop/job.pl",
                             "/srv/shop/index.php",
                             "/srv/shop/shop.lua",
                             "/srv/shop/Shop.dll",
                             "/srv/shop/shop.jar",
                             "/srv/shop/classes/com/example/Main.class",
                             "/srv/shop/app.war",
                             "/srv/shop/analysis.R",
                             "/srv/shop/ebin/shop.beam",
                             "/srv/shop/releases/1/start.boot",
                             "/srv/shop/venv/lib/python3.11/site-packages/tool/__main__.py",
                             "/usr/lib/python3.11/http/server.py",
                             "/usr/bin/daemon-script",
                             "/etc/proxy/proxy.cfg.lua"}) {
      fake_.Write(file, "code");
    }
  }

  Code Find(Language language, const std::string& line, const std::string& cwd = "/srv/shop") {
    const std::vector<std::string> argv = absl::StrSplit(line, ' ');
    return FindCode(language, argv, cwd, fake_.Open());
  }
  Code Hosted(const std::string& line, const std::string& cwd = "/srv/shop") {
    const std::vector<std::string> argv = absl::StrSplit(line, ' ');
    return FindHostedCode(argv, 1, cwd, fake_.Open());
  }

  FakeRoot fake_;
};

TEST(Interpreter, IsKnownByItsNameWithoutVersion) {
  EXPECT_EQ(InterpreterOf("/usr/bin/python3.11", ""), Language::kPython);
  EXPECT_EQ(InterpreterOf("/opt/py/bin/python", ""), Language::kPython);
  EXPECT_EQ(InterpreterOf("/usr/lib/jvm/java-17/bin/java", ""), Language::kJava);
  EXPECT_EQ(InterpreterOf("/usr/sbin/php-fpm8.2", ""), Language::kPhpFpm);
  EXPECT_EQ(InterpreterOf("/usr/bin/php8.2", ""), Language::kPhp);
  EXPECT_EQ(InterpreterOf("/usr/bin/perl5.36-x86_64-linux-gnu", ""), Language::kPerl);
  EXPECT_EQ(InterpreterOf("/usr/lib/erlang/erts-13/bin/beam.smp", ""), Language::kBeam);
  EXPECT_EQ(InterpreterOf("/usr/bin/busybox", "/bin/sh"), Language::kShell);
  EXPECT_EQ(InterpreterOf("/usr/bin/busybox", "httpd"), std::nullopt);
  EXPECT_EQ(InterpreterOf("/opt/pythonic", ""), std::nullopt);
  EXPECT_EQ(InterpreterOf("", ""), std::nullopt);
}

TEST_F(InterpreterTest, PythonRunsScriptsModulesAndInlineCode) {
  EXPECT_EQ(Find(Language::kPython, "python3 -u app.py --port 80").path, "/srv/shop/app.py");
  EXPECT_EQ(Find(Language::kPython, "python3 -W ignore -X dev app.py").path, "/srv/shop/app.py");
  EXPECT_EQ(Find(Language::kPython, "python3 -Wignore -OO ./app.py").arguments_at, 4u);
  const Code module = Find(Language::kPython, "python3 -Im web --threads 2");
  EXPECT_EQ(module.kind, CodeKind::kModule);
  EXPECT_EQ(module.path, "/srv/shop/web/__main__.py");
  EXPECT_EQ(module.arguments_at, 3u);
  EXPECT_EQ(Find(Language::kPython, "python3 -mhttp.server 80").path, "/usr/lib/python3.11/http/server.py");
  EXPECT_EQ(Find(Language::kPython, "/srv/shop/venv/bin/python -m tool", "/").path,
            "/srv/shop/venv/lib/python3.11/site-packages/tool/__main__.py");
  EXPECT_EQ(Find(Language::kPython, "python3 -c pass app.py").kind, CodeKind::kInline);
  EXPECT_EQ(Find(Language::kPython, "python3 -uc pass").kind, CodeKind::kInline);
  EXPECT_EQ(Find(Language::kPython, "python3").kind, CodeKind::kNone);
  EXPECT_EQ(Find(Language::kPython, "python3 -i").kind, CodeKind::kNone);
  EXPECT_EQ(Find(Language::kPython, "python3 gone.py").path, "");
  EXPECT_EQ(Find(Language::kPython, "python3 /usr/bin/daemon-script -x").path, "/usr/bin/daemon-script");
}

TEST_F(InterpreterTest, JavaRunsJarsAndClasses) {
  EXPECT_EQ(Find(Language::kJava, "java -Xmx1g -Dx=y -jar shop.jar --spring").path, "/srv/shop/shop.jar");
  const Code main = Find(Language::kJava, "java -cp lib/x.jar:classes --add-opens a=b com.example.Main go");
  EXPECT_EQ(main.kind, CodeKind::kClass);
  EXPECT_EQ(main.text, "com.example.Main");
  EXPECT_EQ(main.path, "/srv/shop/classes/com/example/Main.class");
  EXPECT_EQ(Find(Language::kJava, "java -p mods -m shop.web/com.example.Main").text, "shop.web");
  EXPECT_EQ(Find(Language::kJava, "java @options com.example.Gone").path, "");
  EXPECT_EQ(Find(Language::kJava, "java -version").kind, CodeKind::kNone);
}

TEST_F(InterpreterTest, TheOtherLanguagesNameTheirScriptsToo) {
  EXPECT_EQ(Find(Language::kNode, "node --max-old-space-size=512 -r dotenv/config server").path, "/srv/shop/server.js");
  EXPECT_EQ(Find(Language::kNode, "node -e 1").kind, CodeKind::kInline);
  EXPECT_EQ(Find(Language::kRuby, "ruby -I lib -rbundler/setup job.rb").path, "/srv/shop/job.rb");
  EXPECT_EQ(Find(Language::kPerl, "perl -w -Mstrict -I lib job.pl").path, "/srv/shop/job.pl");
  EXPECT_EQ(Find(Language::kPhp, "php -d memory_limit=1G -f index.php").path, "/srv/shop/index.php");
  EXPECT_EQ(Find(Language::kPhp, "php -S 0.0.0.0:80").kind, CodeKind::kProject);
  EXPECT_EQ(Find(Language::kShell, "/bin/sh -eu run.sh arg").path, "/srv/shop/run.sh");
  EXPECT_EQ(Find(Language::kShell, "bash -o pipefail +x run.sh").path, "/srv/shop/run.sh");
  EXPECT_EQ(Find(Language::kShell, "sh - run.sh").path, "/srv/shop/run.sh");
  EXPECT_EQ(Find(Language::kShell, "sh -").kind, CodeKind::kInline);
  EXPECT_EQ(Find(Language::kShell, "sh -c run.sh").kind, CodeKind::kInline);
  EXPECT_EQ(Find(Language::kShell, "-bash").kind, CodeKind::kNone);
  EXPECT_EQ(Find(Language::kLua, "lua5.4 -l socket -e x=1 shop.lua").path, "/srv/shop/shop.lua");
  EXPECT_EQ(Find(Language::kLua, "lua5.4 -e x=1").kind, CodeKind::kInline);
  EXPECT_EQ(Find(Language::kDotnet, "dotnet exec --fx-version 8.0 Shop.dll").path, "/srv/shop/Shop.dll");
  EXPECT_EQ(Find(Language::kDotnet, "dotnet watch").kind, CodeKind::kProject);
  EXPECT_EQ(Find(Language::kR, "R --no-echo --file=analysis.R").path, "/srv/shop/analysis.R");
  EXPECT_EQ(Find(Language::kPhpFpm, "php-fpm: pool www").kind, CodeKind::kNone);
}

TEST_F(InterpreterTest, BeamRunsTheModuleOnItsPathOrTheReleaseItBoots) {
  EXPECT_EQ(Find(Language::kBeam, "beam.smp -- -root /usr/lib/erlang -pa ebin other -s shop start").path,
            "/srv/shop/ebin/shop.beam");
  EXPECT_EQ(Find(Language::kBeam, "beam.smp -- -root /srv/shop -boot /srv/shop/releases/1/start").path,
            "/srv/shop/releases/1/start.boot");
  EXPECT_EQ(Find(Language::kBeam, "beam.smp -- -s rabbit boot").path, "");
}

TEST_F(InterpreterTest, OwnModulesAndFilesUnderAServerAreFound) {
  EXPECT_EQ(Hosted("gunicorn -w 4 web.wsgi:application").path, "/srv/shop/web/wsgi.py");
  EXPECT_EQ(Hosted("gunicorn --chdir /srv/shop app:app", "/").path, "/srv/shop/app.py");
  EXPECT_EQ(Hosted("server --chdir=/srv/shop app:app", "/").path, "/srv/shop/app.py");
  EXPECT_EQ(Hosted("server --wsgi-file=app.py").path, "/srv/shop/app.py");
  EXPECT_EQ(Hosted("runner --port 80 app.war").path, "/srv/shop/app.war");
  EXPECT_EQ(Hosted("proxy --config /etc/proxy/proxy.cfg.lua").kind, CodeKind::kNone);
  EXPECT_EQ(Hosted("server none:app").kind, CodeKind::kNone);
  EXPECT_EQ(Hosted("server app", "/").kind, CodeKind::kNone);
}

// A stored zip of one entry "com/example/Main.class" without content.
std::string MakeZip() {
  const std::string name = "com/example/Main.class";
  const auto number = [](uint32_t value, int bytes) {
    std::string out;
    for (int i = 0; i < bytes; ++i) {
      out.push_back(static_cast<char>(value >> (8 * i)));
    }
    return out;
  };
  const auto size = static_cast<uint32_t>(name.size());
  const std::string local =
      absl::StrCat(std::string("PK\x03\x04", 4), std::string(22, '\0'), number(size, 2), number(0, 2), name);
  const std::string central =
      absl::StrCat(std::string("PK\x01\x02", 4), std::string(24, '\0'), number(size, 2), std::string(16, '\0'), name);
  return absl::StrCat(local, central, std::string("PK\x05\x06", 4), std::string(8, '\0'),
                      number(static_cast<uint32_t>(central.size()), 4), number(static_cast<uint32_t>(local.size()), 4),
                      number(0, 2));
}

TEST_F(InterpreterTest, TheJarThatHoldsAClassIsFound) {
  fake_.Write("/srv/shop/lib/a.jar", "no zip");
  fake_.Write("/srv/shop/lib/main-2.0.jar", MakeZip());
  EXPECT_EQ(Find(Language::kJava, "java -cp lib/* com.example.Main").path, "/srv/shop/lib/main-2.0.jar");
  EXPECT_TRUE(ZipContains(fake_.Open(), "/srv/shop/lib/main-2.0.jar", "com/example/Main.class"));
  EXPECT_FALSE(ZipContains(fake_.Open(), "/srv/shop/lib/main-2.0.jar", "com/example/Other.class"));
}

TEST_F(InterpreterTest, DamagedArchivesAreSurvived) {
  const std::string zip = MakeZip();
  std::mt19937 random(5);
  for (size_t at = 0; at < zip.size(); ++at) {
    fake_.Write("/cut.jar", zip.substr(0, at));
    EXPECT_FALSE(ZipContains(fake_.Open(), "/cut.jar", "com/example/Main.class"));
    std::string changed = zip;
    changed[at] = static_cast<char>(random());
    fake_.Write("/changed.jar", changed);
    ZipContains(fake_.Open(), "/changed.jar", "com/example/Main.class");
  }
}

TEST_F(InterpreterTest, RandomCommandLinesAreSurvived) {
  std::mt19937 random(9);
  const std::string alphabet = "-cmeIWXrfSp=:/.*a1 \x01\xff";
  for (int round = 0; round < 400; ++round) {
    std::vector<std::string> argv;
    for (size_t i = random() % 6; i > 0; --i) {
      std::string word;
      for (size_t k = random() % 8; k > 0; --k) {
        word.push_back(alphabet[random() % alphabet.size()]);
      }
      argv.push_back(word);
    }
    for (int language = 0; language <= static_cast<int>(Language::kJulia); ++language) {
      FindCode(static_cast<Language>(language), argv, "/srv/shop", fake_.Open());
    }
    FindHostedCode(argv, 1, "/srv/shop", fake_.Open());
  }
}

}  // namespace
}  // namespace ppmm
