// test_query.cpp: ring-query, run as a program on small databases; its whole output is compared.
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "query_plant.hpp"
#include "schema.hpp"
#include "ring/ownership.hpp"

using Catch::Contains;
using ringdown::Sample;
using support::read_file;
using namespace plant;
namespace fs = std::filesystem;

TEST_CASE("raw samples come as a table, sorted within a commit, states by name", "[query]") {
  const auto r = Plant().all({});
  CHECK(r.out ==
        R"(TIME                     SERIES                                      VALUE
2025-11-24 16:00:00.250  rtt_ms{wan="spectrum"} [ms]                   0.1
2025-11-24 16:00:00.250  link_state{wan="spectrum"}         1 DOWN, "hard"
2025-11-24 16:00:00.500  rtt_ms{wan="spectrum"} [ms]                  12.5
2025-11-24 16:00:00.999  bytes_total{path="a\\b"} [B]   1000000000000000.1
2025-11-24 16:00:01.000  rtt_ms{wan="spectrum"} [ms]   0.30000000000000004
2025-11-24 16:01:01.000  link_state{wan="spectrum"}                   0 UP
2025-11-24 16:01:01.000  link_state{wan="spectrum"}                      7
2025-11-24 16:01:02.000  load                                           -4
)");
  CHECK(r.err == "");
  CHECK(r.status == 0);
}

TEST_CASE("raw samples come as CSV, quoted as RFC 4180 says, with every digit", "[query]") {
  const auto r = Plant().all({"--format", "csv"});
  CHECK(r.out ==
        R"(time_s,name,labels,value,state
1764000000.250000000,rtt_ms,"{wan=""spectrum""}",0.1,
1764000000.250000000,link_state,"{wan=""spectrum""}",1,"DOWN, ""hard"""
1764000000.500000000,rtt_ms,"{wan=""spectrum""}",12.5,
1764000000.999999999,bytes_total,"{path=""a\\b""}",1000000000000000.1,
1764000001.000000000,rtt_ms,"{wan=""spectrum""}",0.30000000000000004,
1764000061.000000000,link_state,"{wan=""spectrum""}",0,UP
1764000061.000000001,link_state,"{wan=""spectrum""}",7,
1764000062.000000000,load,,-4,
)");
  CHECK(r.err == "");
  CHECK(r.status == 0);
}

TEST_CASE("raw samples come as one JSON object a line, with every digit", "[query]") {
  const auto r = Plant().all({"--format", "json"});
  CHECK(
      r.out ==
      R"({"time_ns":1764000000250000000,"name":"rtt_ms","labels":{"wan":"spectrum"},"kind":"gauge","unit":"ms","value":0.1}
{"time_ns":1764000000250000000,"name":"link_state","labels":{"wan":"spectrum"},"kind":"state","unit":"","value":1.0,"state":"DOWN, \"hard\""}
{"time_ns":1764000000500000000,"name":"rtt_ms","labels":{"wan":"spectrum"},"kind":"gauge","unit":"ms","value":12.5}
{"time_ns":1764000000999999999,"name":"bytes_total","labels":{"path":"a\\b"},"kind":"counter","unit":"B","value":1.0000000000000001e+15}
{"time_ns":1764000001000000000,"name":"rtt_ms","labels":{"wan":"spectrum"},"kind":"gauge","unit":"ms","value":0.30000000000000004}
{"time_ns":1764000061000000000,"name":"link_state","labels":{"wan":"spectrum"},"kind":"state","unit":"","value":0.0,"state":"UP"}
{"time_ns":1764000061000000001,"name":"link_state","labels":{"wan":"spectrum"},"kind":"state","unit":"","value":7.0,"state":null}
{"time_ns":1764000062000000000,"name":"load","labels":{},"kind":"gauge","unit":"","value":-4.0}
)");
  CHECK(r.err == "");
  CHECK(r.status == 0);
}

TEST_CASE("the 1s tier comes in bucket order in all three formats, means for gauges only", "[query]") {
  const Plant plant;
  CHECK(
      plant.all({"--step", "1s", "{wan=\"spectrum\"}"}).out ==
      R"(TIME                 SERIES                       COUNT                  MIN  MEAN                  MAX                FIRST                 LAST   SUM
2025-11-24 16:00:00  rtt_ms{wan="spectrum"} [ms]      2                  0.1   6.3                 12.5                  0.1                 12.5  12.6
2025-11-24 16:00:00  link_state{wan="spectrum"}       1       1 DOWN, "hard"     -       1 DOWN, "hard"       1 DOWN, "hard"       1 DOWN, "hard"     1
2025-11-24 16:00:01  rtt_ms{wan="spectrum"} [ms]      1  0.30000000000000004   0.3  0.30000000000000004  0.30000000000000004  0.30000000000000004   0.3
2025-11-24 16:01:01  link_state{wan="spectrum"}       2                 0 UP     -                    7                 0 UP                    7     7
)");
  const auto csv = plant.all({"--step", "1s", "--format", "csv"});
  CHECK(csv.out ==
        R"(time_s,name,labels,count,min,mean,max,first,last,sum,last_state
1764000000,rtt_ms,"{wan=""spectrum""}",2,0.1,6.3,12.5,0.1,12.5,12.6,
1764000000,link_state,"{wan=""spectrum""}",1,1,,1,1,1,1,"DOWN, ""hard"""
1764000000,bytes_total,"{path=""a\\b""}",1,1000000000000000.1,,1000000000000000.1,1000000000000000.1,1000000000000000.1,1000000000000000.1,
1764000001,rtt_ms,"{wan=""spectrum""}",1,0.30000000000000004,0.30000000000000004,0.30000000000000004,0.30000000000000004,0.30000000000000004,0.30000000000000004,
1764000061,link_state,"{wan=""spectrum""}",2,0,,7,0,7,7,
1764000062,load,,1,-4,-4,-4,-4,-4,-4,
)");
  CHECK(csv.err == "");
  CHECK(csv.status == 0);
  CHECK(
      plant.all({"--step", "1s", "--format", "json", "load", "link_state"}).out ==
      R"({"time_s":1764000000,"name":"link_state","labels":{"wan":"spectrum"},"kind":"state","unit":"","count":1,"min":1.0,"mean":null,"max":1.0,"first":1.0,"last":1.0,"sum":1.0,"last_state":"DOWN, \"hard\""}
{"time_s":1764000061,"name":"link_state","labels":{"wan":"spectrum"},"kind":"state","unit":"","count":2,"min":0.0,"mean":null,"max":7.0,"first":0.0,"last":7.0,"sum":7.0,"last_state":null}
{"time_s":1764000062,"name":"load","labels":{},"kind":"gauge","unit":"","count":1,"min":-4.0,"mean":-4.0,"max":-4.0,"first":-4.0,"last":-4.0,"sum":-4.0}
)");
}

TEST_CASE("the 1m tier comes in all three formats", "[query]") {
  const Plant plant;
  CHECK(
      plant.all({"--step", "1m", "rtt_ms", "load"}).out ==
      R"(TIME                 SERIES                       COUNT  MIN  MEAN   MAX  FIRST                 LAST   SUM
2025-11-24 16:00:00  rtt_ms{wan="spectrum"} [ms]      3  0.1   4.3  12.5    0.1  0.30000000000000004  12.9
2025-11-24 16:01:00  load                             1   -4    -4    -4     -4                   -4    -4
)");
  CHECK(plant.all({"--step", "1m", "--format", "csv", "rtt_ms", "load"}).out ==
        R"(time_s,name,labels,count,min,mean,max,first,last,sum,last_state
1764000000,rtt_ms,"{wan=""spectrum""}",3,0.1,4.3,12.5,0.1,0.30000000000000004,12.9,
1764000060,load,,1,-4,-4,-4,-4,-4,-4,
)");
  CHECK(
      plant.all({"--step", "1m", "--format", "json", "load"}).out ==
      R"({"time_s":1764000060,"name":"load","labels":{},"kind":"gauge","unit":"","count":1,"min":-4.0,"mean":-4.0,"max":-4.0,"first":-4.0,"last":-4.0,"sum":-4.0}
)");
}

TEST_CASE("every number reads back as the one that was stored", "[query]") {
  const Folder folder;
  const auto db = (folder.path / "numbers.db").string();
  const std::vector<double> values{0.1,     -0.0,      5e-324, 1.7976931348623157e308, 9007199254740994,
                                   1.0 / 3, 123456.789};
  ringdown::Store store(db);
  ringdown::Batch batch;
  batch.series = {{1, {ring::Kind::gauge, "number", "", {}, {}}}};
  for (std::size_t i = 0; i < values.size(); ++i)
    batch.samples.push_back({start_ns + static_cast<std::int64_t>(i), values[i], 1});
  store.commit(batch);
  std::istringstream csv(query(folder, {"--db", db, "--from", "0", "--format", "csv"}).out);
  std::istringstream json(query(folder, {"--db", db, "--from", "0", "--format", "json"}).out);
  std::string line;
  std::getline(csv, line);
  for (const auto value : values) {
    std::getline(csv, line);
    const auto text = line.substr(line.find(",,") + 2);
    CHECK(std::strtod(text.c_str(), nullptr) == value);
    CHECK(std::signbit(std::strtod(text.c_str(), nullptr)) == std::signbit(value));
    std::getline(json, line);
    CHECK(nlohmann::json::parse(line)["value"].get<double>() == value);
  }
}

TEST_CASE("a sum beyond what a double holds is left empty, and so is its mean", "[query]") {
  const Folder folder;
  const auto db = (folder.path / "large.db").string();
  ringdown::Store store(db);
  ringdown::Batch batch;
  batch.series = {{1, {ring::Kind::gauge, "large", "", {}, {}}}};
  batch.samples = {{start_ns, 1.5e308, 1}, {start_ns + 1, 1.5e308, 1}};
  store.commit(batch);
  Plant::fold(store);
  const auto run = [&](const char* format) {
    return query(folder, {"--db", db, "--from", "0", "--step", "1s", "--format", format}).out;
  };
  CHECK_THAT(run("csv"), Contains("1764000000,large,,2,1.5e+308,,1.5e+308,1.5e+308,1.5e+308,,\n"));
  CHECK_THAT(run("json"), Contains("\"mean\":null") && Contains("\"sum\":null"));
  CHECK_THAT(run("table"), Contains("      2  1.5e+308     -  1.5e+308  1.5e+308  1.5e+308    -\n"));
}

TEST_CASE("several selectors are a union, each series once", "[query]") {
  const Plant plant;
  const auto names = [&](std::vector<std::string> selectors) {
    std::string out;
    std::istringstream lines(plant
                                 .all([&] {
                                   selectors.insert(selectors.end(), {"--format", "json"});
                                   return selectors;
                                 }())
                                 .out);
    for (std::string line; std::getline(lines, line);)
      out += nlohmann::json::parse(line)["name"].get<std::string>() + " ";
    return out;
  };
  CHECK(names({"load", "rtt_ms"}) == "rtt_ms rtt_ms rtt_ms load ");
  CHECK(names({"rtt_ms", "{wan=\"spectrum\",__name__=~\"rtt.*\"}"}) == "rtt_ms rtt_ms rtt_ms ");
  CHECK(names({"{path=\"a\\\\b\"}"}) == "bytes_total ");
  CHECK(names({"{wan=\"\",path=\"\"}"}) == "load ");
}

TEST_CASE("a range has its first moment in it and its last not", "[query]") {
  const Plant plant;
  const auto times = [&](const char* from, const char* to, const char* zone = "UTC") {
    const auto r = plant.run({"rtt_ms", "--format", "csv", "--from", from, "--to", to}, zone);
    INFO(from << " to " << to << ": " << r.err);
    CHECK(r.status == 0);
    std::string out;
    for (const auto* value : {",0.1,", ",12.5,", ",0.30000000000000004,"})
      out += r.out.find(value) != r.out.npos ? 'x' : '-';
    return out;
  };
  CHECK(times("1764000000.25", "1764000000.5") == "x--");
  CHECK(times("1764000000.250000001", "1764000000.500000001") == "-x-");
  CHECK(times("1764000000", "now") == "xxx");
  CHECK(times("2025-11-24T16:00:00.25Z", "2025-11-24T16:00:01Z") == "xx-");
  CHECK(times("2025-11-24T17:00:00.5+01:00", "2025-11-24T12:00:02-04:00") == "-xx");
  CHECK(times("2025-11-24 16:00", "2025-11-25") == "xxx");
  CHECK(times("2025-11-24 17:00", "2025-11-25", "CET-1CEST,M3.5.0,M10.5.0/3") == "xxx");
  CHECK(times("2025-11-24 17:00:01", "2025-11-25", "CET-1CEST,M3.5.0,M10.5.0/3") == "--x");
  CHECK(times("1969-12-31T23:59:59Z", "now-1h") == "xxx");
}

TEST_CASE("a table has local time", "[query]") {
  const auto r = Plant().run({"load", "--from", "0"}, "CET-1CEST,M3.5.0,M10.5.0/3");
  CHECK(r.out == "TIME                     SERIES  VALUE\n2025-11-24 17:01:02.000  load       -4\n");
}

TEST_CASE("a tier gives the buckets that overlap the range", "[query]") {
  const Plant plant;
  const auto counts = [&](const char* from, const char* to) {
    const auto r = plant.run({"--step", "1m", "--format", "json", "--from", from, "--to", to});
    std::string out;
    std::istringstream lines(r.out);
    for (std::string line; std::getline(lines, line);)
      out += nlohmann::json::parse(line)["time_s"].dump() + " ";
    return out;
  };
  CHECK(counts("1764000059", "1764000060") == "1764000000 1764000000 1764000000 ");
  CHECK(counts("1764000060", "1764000060.000000001") == "1764000060 1764000060 ");
  CHECK(counts("1764000119.999999999", "1764001000") == "1764000060 1764000060 ");
  CHECK(counts("1764000120", "1764001000") == "");
  CHECK(counts("1763990000", "1764000000") == "");
}

TEST_CASE("option --last counts back from now and is ten minutes unless said otherwise", "[query]") {
  const Folder folder;
  const auto db = (folder.path / "recent.db").string();
  const auto now_ns = ring::clock_ns(CLOCK_REALTIME);
  ringdown::Store store(db);  // and stays open: the program reads beside its writer
  ringdown::Batch batch;
  batch.series = {{1, {ring::Kind::gauge, "age_s", "s", {}, {}}}};
  for (const auto age_s : {8000, 5000, 300, 5})
    batch.samples.push_back({now_ns - age_s * second_ns, double(age_s), 1});
  batch.samples.push_back({now_ns + 1000 * second_ns, -1000, 1});
  store.commit(batch);
  const auto ages = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"--db", db, "--format", "json"});
    std::istringstream lines(query(folder, words).out);
    std::string out;
    for (std::string line; std::getline(lines, line);)
      out += nlohmann::json::parse(line)["value"].dump() + " ";
    return out;
  };
  CHECK(ages({}) == "300.0 5.0 -1000.0 ");
  CHECK(ages({"--last", "1m"}) == "5.0 -1000.0 ");
  CHECK(ages({"--last", "1h30m"}) == "5000.0 300.0 5.0 -1000.0 ");
  CHECK(ages({"--last", "1w"}) == "8000.0 5000.0 300.0 5.0 -1000.0 ");
  CHECK(ages({"--last", "200000ms"}) == "5.0 -1000.0 ");
  CHECK(ages({"--from", "now-2h", "--to", "now-1m"}) == "5000.0 300.0 ");
  CHECK(ages({"--to", "now"}) == "8000.0 5000.0 300.0 5.0 ");
}

TEST_CASE("option --limit stops after the first rows and says that there are more", "[query]") {
  const Plant plant;
  auto r = plant.all({"--limit", "2", "--format", "csv", "rtt_ms"});
  CHECK(std::count(r.out.begin(), r.out.end(), '\n') == 3);
  CHECK_THAT(r.out, Contains(",0.1,") && Contains(",12.5,"));
  CHECK(r.err == "ring-query: stopped after 2 rows, there are more; raise --limit\n");
  CHECK(r.status == 0);
  r = plant.all({"--limit", "3", "--format", "csv", "rtt_ms"});
  CHECK(std::count(r.out.begin(), r.out.end(), '\n') == 4);
  CHECK(r.err == "");
  r = plant.all({"--limit", "1", "--step", "1m", "--format", "csv"});
  CHECK(std::count(r.out.begin(), r.out.end(), '\n') == 2);
  CHECK_THAT(r.err, Contains("stopped after 1 rows"));
}

TEST_CASE("no data in the range is no output, a word on what there is, and success", "[query]") {
  const Plant plant;
  for (const auto* format : {"table", "csv", "json"}) {
    const auto r = plant.run({"--format", format, "rtt_ms", "--from", "100", "--to", "200"});
    CHECK(r.out == "");
    CHECK(r.err ==
          "ring-query: no data of 1 series from 1970-01-01 00:01:40.000 to 1970-01-01 00:03:20.000; the "
          "database "
          "holds times from 2025-11-24 16:00:00.250 to 2025-11-24 16:01:02.000\n");
    CHECK(r.status == 0);
  }
  const auto tier = plant.run({"--step", "1m", "--from", "2026-01-01"});
  CHECK(tier.err ==
        "ring-query: no data of 4 series from 2026-01-01 00:00:00.000; its tier 1m holds buckets from "
        "2025-11-24 16:00:00.000 to 2025-11-24 16:01:00.000\n");
  CHECK(tier.status == 0);
}

TEST_CASE("an empty database is no output and success, unless a series was asked for", "[query]") {
  const Folder folder;
  const auto db = (folder.path / "empty.db").string();
  ringdown::Store store(db);
  for (const auto* step : {"raw", "1s"}) {
    const auto r = query(folder, {"--db", db, "--step", step, "--from", "0"});
    CHECK(r.out == "");
    CHECK_THAT(r.err, Contains("no data of 0 series") && Contains("holds nothing yet"));
    CHECK(r.status == 0);
  }
  const auto r = query(folder, {"--db", db, "rtt_ms"});
  CHECK(r.err == "ring-query: selector 'rtt_ms': the database knows no series yet\n");
  CHECK(r.status == 1);
}

TEST_CASE("an unknown name is answered with the nearest ones and fails", "[query]") {
  const Plant plant;
  auto r = plant.all({"rtt_sm"});
  CHECK(r.out == "");
  CHECK(r.err == "ring-query: selector 'rtt_sm': no series has this name; did you mean: rtt_ms\n");
  CHECK(r.status == 1);
  r = plant.all({"zzzzzzzzzzz"});
  CHECK(r.err ==
        "ring-query: selector 'zzzzzzzzzzz': no series has this name; the database knows 4 others\n");
  r = plant.all({"rtt_ms{wan=\"att\"}"});
  CHECK(r.err ==
        "ring-query: selector 'rtt_ms{wan=\"att\"}': it matches none of 4 series; one of them is "
        "rtt_ms{wan=\"spectrum\"}\n");
  CHECK(r.status == 1);
}

TEST_CASE("a selector that matches nothing does not keep the others from their output", "[query]") {
  const auto r = Plant().all({"load", "laod", "--format", "csv"});
  CHECK(r.out == "time_s,name,labels,value,state\n1764000062.000000000,load,,-4,\n");
  CHECK_THAT(r.err, Contains("selector 'laod': no series has this name; did you mean: load"));
  CHECK(r.status == 1);
}

TEST_CASE("a damaged batch is named, left out, and fails at the end", "[query]") {
  const Plant plant;
  {
    ringdown::Store store(plant.db);
    store.database().execute("UPDATE batches SET blob = zeroblob(length(blob)) WHERE id = 1");
  }
  const auto r = plant.all({"--format", "csv", "load", "rtt_ms"});
  CHECK(r.out == "time_s,name,labels,value,state\n1764000062.000000000,load,,-4,\n");
  CHECK(
      r.err ==
      "ring-query: database " + plant.db +
          ": batch 1: batch blob: unknown version; this program reads version 1; its samples are left out\n");
  CHECK(r.status == 1);
}

TEST_CASE("what is no database of ours is refused with what was found and a remedy", "[query]") {
  const Folder folder;
  const auto refusal = [&](const std::string& name) {
    const auto r = query(folder, {"--db", (folder.path / name).string()});
    CHECK(r.out == "");
    CHECK(r.status == 1);
    return r.err;
  };
  const auto missing = refusal("missing.db");
  CHECK(missing ==
        "ring-query: database " + (folder.path / "missing.db").string() +
            ": No such file or directory; check --db, or let ring-persister --ring NAME --db FILE make it\n");
  CHECK_FALSE(fs::exists(folder.path / "missing.db"));

  CHECK_THAT(refusal(""), Contains("Is a directory; check --db"));
  std::ofstream(folder.path / "notes.txt") << std::string(5000, 'x');
  CHECK_THAT(refusal("notes.txt"), Contains("file is not a database; expected a database of ring-persister"));

  ringdown::Database((folder.path / "foreign.db").string(), ringdown::Database::Access::read_write_create)
      .execute("PRAGMA application_id = 77; CREATE TABLE t (x)");
  CHECK_THAT(refusal("foreign.db"), Contains("application_id 77, expected 1380208471; choose one with --db"));

  const Plant plant;
  ringdown::Store(plant.db).database().execute("PRAGMA user_version = 99");
  CHECK_THAT(plant.all({}).err, Contains("schema version 99, this program reads " + std::to_string(ringdown::schema::version) + "; upgrade"));
}

TEST_CASE("wrong usage has status 2 and says what was expected", "[query]") {
  const Plant plant;
  const auto refusal = [&](std::vector<std::string> words) {
    const auto r = plant.run(std::move(words));
    CHECK(r.out == "");
    CHECK(r.status == 2);
    return r.err;
  };
  CHECK(refusal({"rtt{wan=a}"}) ==
        "ring-query: selector 'rtt{wan=a}': column 9: expected a value in quotes, found \"a\"\n");
  CHECK_THAT(refusal({"--last", "10"}), Contains("duration \"10\": expected a number with a unit"));
  CHECK_THAT(refusal({"--last", "1x"}), Contains("duration \"1x\": expected"));
  CHECK_THAT(refusal({"--last", "h"}), Contains("duration \"h\": expected"));
  CHECK_THAT(refusal({"--last", "999999999w"}), Contains("at most 9223372036 seconds"));
  CHECK_THAT(refusal({"--from", "yesterday"}), Contains("time \"yesterday\": expected unix seconds, now"));
  CHECK_THAT(refusal({"--from", "2025-02-30"}), Contains("time \"2025-02-30\": expected"));
  CHECK_THAT(refusal({"--from", "2025-02-03T24:00"}), Contains("expected"));
  CHECK_THAT(refusal({"--from", "1764000000000"}), Contains("are these milliseconds?"));
  CHECK_THAT(
      refusal({"--from", "200", "--to", "100"}),
      Contains("--from 200 (1970-01-01 00:03:20.000) is not before --to 100 (1970-01-01 00:01:40.000)"));
  CHECK_THAT(refusal({"--from", "0", "--last", "1h"}), Contains("--last"));
  CHECK_THAT(refusal({"--step", "2y"}), Contains("2y"));
  CHECK_THAT(refusal({"--format", "xml"}), Contains("xml"));
  CHECK_THAT(refusal({"--limit", "0"}), Contains("limit"));
  CHECK(query(plant, {"rtt_ms"}).status == 2);  // no --db
}

TEST_CASE("option --help tells examples, units and exit codes", "[query]") {
  const auto r = Plant().run({"--help"});
  CHECK(r.status == 0);
  CHECK_THAT(r.out, Contains("Examples:") && Contains("Exit status: 0") && Contains("JSON lines") &&
                        Contains("from now"));
}

TEST_CASE("control characters in labels never reach a terminal", "[query]") {
  const Folder folder;
  const auto db = (folder.path / "control.db").string();
  ringdown::Store store(db);
  ringdown::Batch batch;
  batch.series = {{1, {ring::Kind::gauge, "load", "", {{"a", "\x1b[2J\n\xc3\xa9"}}, {}}}};
  batch.samples = {{start_ns, 1, 1}};
  store.commit(batch);
  CHECK_THAT(query(folder, {"--db", db, "--from", "0"}).out,
             Contains("load{a=\"?[2J\\n\xc3\xa9\"}      1\n"));
}
