// REST requests against everything of the daemon but the sockets.
#include "server/http/http_service.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/status.h"
#include "model/testing/sample_model.h"
#include "server/testing/serving_stack.h"

namespace msq::server {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr size_t kElements = 3 * 8 * 8;
constexpr uint64_t kMaxTensorBytes = 100 * kElements;

// A request whose answer comes later.
struct Pending {
  std::shared_ptr<std::promise<WebResponse>> promise = std::make_shared<std::promise<WebResponse>>();
  std::future<WebResponse> answer = promise->get_future();
  std::shared_ptr<WebExchange> exchange;

  WebResponse Get() {
    if (answer.wait_for(std::chrono::seconds(20)) != std::future_status::ready) return {0, {}, "no answer"};
    return answer.get();
  }
};

std::string Header(const WebResponse& response, const std::string& name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return "";
}

class HttpServiceTest : public ::testing::Test {
 protected:
  HttpServiceTest() {
    stack_.folder().AddModel("m", 1, msq::testing::SampleModel());
    stack_.folder().AddModel("n", 3, msq::testing::SampleModel());
  }

  ~HttpServiceTest() override { stack_.Close(); }

  void Open(const testing::ServingStack::Options& options, const std::string& tokens_file = "") {
    stack_.Open(options);
    auto tokens = TokenStore::Open(tokens_file);
    auto tracer = Tracer::Create("", {});
    ASSERT_TRUE(tokens.ok() && tracer.ok());
    tokens_ = *std::move(tokens);
    tracer_ = *std::move(tracer);
    core_ = std::make_unique<ProtocolService>(
        ProtocolService::Parts{&stack_.repository(), &stack_.engine(), &stack_.regions(), tracer_.get(), tokens_.get()},
        ProtocolService::Options{"test", "1.2", true});
    service_ = std::make_unique<HttpService>(core_.get(), kMaxTensorBytes);
  }

  std::unique_ptr<Pending> Send(const std::string& method, const std::string& path, std::string body = "",
                                WebHeaders headers = {}) {
    if (service_ == nullptr) Open({});
    auto pending = std::make_unique<Pending>();
    pending->exchange = std::make_shared<WebExchange>(
        WebRequest{method, path, "", std::move(headers), std::move(body), "127.0.0.1:1"},
        [promise = pending->promise](WebResponse response) { promise->set_value(std::move(response)); });
    service_->Handle(pending->exchange);
    return pending;
  }
  WebResponse Ask(const std::string& method, const std::string& path, std::string body = "", WebHeaders headers = {}) {
    return Send(method, path, std::move(body), std::move(headers))->Get();
  }
  WebResponse Get(const std::string& path) { return Ask("GET", path); }
  WebResponse Post(const std::string& path, std::string body = "") { return Ask("POST", path, std::move(body)); }

  // The JSON of an answer that must be 200.
  static json Good(const WebResponse& response) {
    EXPECT_EQ(response.status, 200) << response.body;
    EXPECT_EQ(Header(response, "Content-Type"), "application/json");
    return json::parse(response.body, nullptr, false);
  }
  // The message of an error of that status.
  static std::string Bad(const WebResponse& response, int status) {
    EXPECT_EQ(response.status, status) << response.body;
    const json body = json::parse(response.body, nullptr, false);
    return body.is_object() ? body.value("error", "no error") : "no JSON";
  }

  // An inference request for `batch` grey pictures.
  static std::string Request(int batch, int grey, const json& more = json::object()) {
    json request = {{"inputs",
                     {{{"name", "pixels"},
                       {"datatype", "UINT8"},
                       {"shape", {batch, 3, 8, 8}},
                       {"data", std::vector<int>(static_cast<size_t>(batch) * kElements, grey)}}}}};
    request.update(more);
    return request.dump();
  }
  // What gRPC would answer.
  std::vector<float> Logits(int batch, int grey) {
    inference::ModelInferResponse response;
    const auto request = testing::SampleRequest("m", batch, static_cast<char>(grey));
    EXPECT_TRUE(stack_.Infer(request, &response).ok());
    const std::string& raw = response.raw_output_contents(0);
    std::vector<float> logits(raw.size() / sizeof(float));
    std::memcpy(logits.data(), raw.data(), raw.size());
    return logits;
  }

  testing::ServingStack stack_;
  std::unique_ptr<TokenStore> tokens_;
  std::unique_ptr<Tracer> tracer_;
  std::unique_ptr<ProtocolService> core_;
  std::unique_ptr<HttpService> service_;
};

TEST_F(HttpServiceTest, HealthIsTheStatus) {
  EXPECT_EQ(Good(Get("/v2/health/live")), json({{"live", true}}));
  EXPECT_EQ(Good(Get("/v2/health/ready")), json({{"ready", true}}));
  EXPECT_EQ(Good(Get("/v2/models/m/ready")), json({{"name", "m"}, {"ready", true}}));
  EXPECT_EQ(Good(Get("/v2/models/n/versions/3/ready")), json({{"name", "n"}, {"ready", true}}));
  EXPECT_EQ(Get("/v2/models/n/versions/2/ready").status, 503);
  EXPECT_EQ(Get("/v2/models/absent/ready").status, 503);
  EXPECT_EQ(Get("/v2/models/m/versions/x/ready").status, 400);
  core_->StartDraining();
  EXPECT_EQ(Get("/v2/health/live").status, 200);
  EXPECT_EQ(Get("/v2/health/ready").status, 503);
  EXPECT_EQ(Get("/v2/models/m/ready").status, 503);
  core_->StartRefusing();
  const WebResponse live = Get("/v2/health/live");
  EXPECT_THAT(Bad(live, 503), HasSubstr("has stopped accepting new requests"));
  EXPECT_EQ(Header(live, "x-msq-reason"), "shutting_down");
  EXPECT_EQ(Post("/v2/models/m/infer", Request(1, 7)).status, 503);
}

TEST_F(HttpServiceTest, MetadataConfigurationAndStatistics) {
  const json server = Good(Get("/v2"));
  EXPECT_EQ(server["name"], "test");
  EXPECT_EQ(server["version"], "1.2");
  EXPECT_THAT(server["extensions"].dump(), HasSubstr("binary_tensor_data"));
  const json model = Good(Get("/v2/models/n"));
  EXPECT_EQ(model["versions"], json({"3"}));
  EXPECT_EQ(model["inputs"][0]["shape"], json({-1, 3, 8, 8}));
  EXPECT_EQ(Good(Get("/v2/models/n/versions/3")), model);
  EXPECT_EQ(Good(Get("/v2/models/n/config"))["max_batch_size"], 64);
  EXPECT_EQ(Bad(Get("/v2/models/x/config"), 404), "Request for unknown model: 'x' is not found");
  EXPECT_EQ(Post("/v2/models/m/infer", Request(2, 7)).status, 200);
  const json statistics = Good(Get("/v2/models/m/stats"));
  ASSERT_EQ(statistics["model_stats"].size(), 1u);
  EXPECT_EQ(statistics["model_stats"][0]["inference_count"], 2);
  EXPECT_EQ(Good(Get("/v2/models/stats"))["model_stats"].size(), 2u);
}

TEST_F(HttpServiceTest, InfersFromJsonToJsonWithGrpcsBits) {
  const json answer = Good(Post("/v2/models/m/infer", Request(2, 77, {{"id", "7"}})));
  EXPECT_EQ(answer["model_name"], "m");
  EXPECT_EQ(answer["model_version"], "1");
  EXPECT_EQ(answer["id"], "7");
  const json& output = answer["outputs"][0];
  EXPECT_EQ(output["name"], "logits");
  EXPECT_EQ(output["datatype"], "FP32");
  EXPECT_EQ(output["shape"], json({2, 10}));
  EXPECT_EQ(output["data"].get<std::vector<float>>(), Logits(2, 77));
}

TEST_F(HttpServiceTest, BinaryDataInBothDirections) {
  const std::string request = R"({"parameters":{"binary_data_output":true},"inputs":[{"name":"pixels",)"
                              R"("datatype":"UINT8","shape":[1,3,8,8],"parameters":{"binary_data_size":192}}]})";
  const WebResponse response = Ask("POST", "/v2/models/m/versions/1/infer", request + std::string(kElements, 77),
                                   {{"inference-header-content-length", std::to_string(request.size())}});
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(Header(response, "Content-Type"), "application/octet-stream");
  const size_t json_bytes = std::stoul(Header(response, "Inference-Header-Content-Length"));
  const json answer = json::parse(response.body.substr(0, json_bytes));
  EXPECT_EQ(answer["outputs"][0]["parameters"]["binary_data_size"], 40);
  const std::vector<float> expected = Logits(1, 77);
  EXPECT_EQ(response.body.substr(json_bytes),
            std::string(reinterpret_cast<const char*>(expected.data()), expected.size() * sizeof(float)));
  EXPECT_THAT(Bad(Ask("POST", "/v2/models/m/infer", request, {{"Inference-Header-Content-Length", "1x"}}), 400),
              HasSubstr("must be a number of bytes, got '1x'"));
}

TEST_F(HttpServiceTest, ABodyCanBeTheTensorItself) {
  const std::string pixels(2 * kElements, 77);
  WebHeaders headers = {{"Inference-Header-Content-Length", "0"}, {"Accept", "application/json"}};
  const json answer = Good(Ask("POST", "/v2/models/m/infer", pixels, headers));
  EXPECT_EQ(answer["outputs"][0]["shape"], json({2, 10}));
  EXPECT_EQ(answer["outputs"][0]["data"].get<std::vector<float>>(), Logits(2, 77));
  headers.pop_back();
  EXPECT_EQ(Header(Ask("POST", "/v2/models/m/infer", pixels, headers), "Content-Type"), "application/octet-stream");
  EXPECT_THAT(Bad(Ask("POST", "/v2/models/m/infer", "abc", headers), 400), HasSubstr("a sample has 192 bytes"));
  EXPECT_EQ(Ask("POST", "/v2/models/x/infer", pixels, headers).status, 404);
}

TEST_F(HttpServiceTest, ClassificationAndBackendArePassedOn) {
  const json more = {{"parameters", {{"backend", "cpu"}}},
                     {"outputs", {{{"name", "logits"}, {"parameters", {{"classification", 2}}}}}}};
  const json answer = Good(Post("/v2/models/m/infer", Request(1, 77, more)));
  EXPECT_EQ(answer["outputs"][0]["datatype"], "BYTES");
  ASSERT_EQ(answer["outputs"][0]["data"].size(), 2u);
  EXPECT_THAT(answer["outputs"][0]["data"][0].get<std::string>(), ::testing::ContainsRegex("^-?[0-9.]+:[0-9]"));
  EXPECT_EQ(Post("/v2/models/m/infer", Request(1, 77, {{"parameters", {{"backend", "abacus"}}}})).status, 400);
}

TEST_F(HttpServiceTest, WhatNeedNotComeIsRefusedByItsHead) {
  stack_.folder().AddFile("tokens.json", R"({"tokens": [{"name": "a", "token": "secret", "models": ["m"]}]})");
  Open({}, stack_.folder().path() + "/tokens.json");
  const auto status = [this](const std::string& method, const std::string& path, const std::string& token,
                             const std::string& length = "100000") {
    const auto refusal =
        service_->CheckHead({method, path, "", {{"Authorization", token}, {"Content-Length", length}}, "", ""});
    return refusal ? refusal->status : 0;
  };
  EXPECT_EQ(status("POST", "/v2/models/m/infer", ""), 401);
  EXPECT_EQ(status("POST", "/v2/models/m/infer", "Bearer secret"), 0);
  EXPECT_EQ(status("POST", "/v2/models/n/infer", "Bearer secret"), 403);
  EXPECT_EQ(status("POST", "/v2/repository/models/m/load", "Bearer secret"), 403);
  EXPECT_EQ(status("POST", "/v2/logging", ""), 401);
  EXPECT_EQ(status("POST", "/v3", ""), 404);
  EXPECT_EQ(status("GET", "/v2/models/m/infer", ""), 405);
  EXPECT_EQ(status("GET", "/v2/health/live", ""), 413);
  EXPECT_EQ(status("GET", "/v2/health/live", "", "2"), 0);
  EXPECT_EQ(status("GET", "/v2/health/live", "", ""), 413);  // chunked
}

TEST_F(HttpServiceTest, BadRequestsSayWhy) {
  EXPECT_EQ(Bad(Get("/"), 404), "there is no endpoint /");
  const WebResponse wrong = Get("/v2/models/m/infer");
  EXPECT_EQ(Bad(wrong, 405), "/v2/models/m/infer takes POST, not GET");
  EXPECT_EQ(Header(wrong, "Allow"), "POST");
  EXPECT_THAT(Bad(Get("/v2/models/%"), 400), HasSubstr("broken %-escape"));
  EXPECT_THAT(Bad(Post("/v2/models/m/infer", "{"), 400), HasSubstr("the JSON is not valid"));
  EXPECT_THAT(Bad(Post("/v2/models/m/infer", Request(1, 300)), 400), HasSubstr("300 is out of range for UINT8"));
  EXPECT_THAT(Bad(Post("/v2/models/a%20b/infer", Request(1, 7)), 404), HasSubstr("'a b' is not found"));
  EXPECT_THAT(Bad(Post("/v2/repository/index", "[]"), 400), HasSubstr("must be an object"));
  EXPECT_THAT(Bad(Post("/v2/models/m/infer", Request(101, 7)), 400), HasSubstr("inputs[0].data[19200]: the request's"));
  json request = json::parse(Request(1, 7));
  request["inputs"][0]["shape"] = {1, 3, 8, 9};
  EXPECT_THAT(Bad(Post("/v2/models/m/infer", request.dump()), 400), HasSubstr("unexpected shape for input 'pixels'"));
}

TEST_F(HttpServiceTest, AFullQueueSaysWhenToTryAgain) {
  Open({.repository = {}, .engine = {}, .workers = 1, .queue_capacity = 1, .cache_bytes = 0});
  stack_.control().Hold();
  const auto first = Send("POST", "/v2/models/m/infer", Request(1, 7));
  stack_.control().AwaitHeld(1);
  std::vector<std::unique_ptr<Pending>> more;  // what fits beside the one that runs is the scheduler's to say
  std::optional<WebResponse> refusal;
  for (int i = 0; i < 10 && !refusal; ++i) {
    more.push_back(Send("POST", "/v2/models/m/infer", Request(1, 7)));
    if (more.back()->answer.wait_for(std::chrono::seconds(0)) == std::future_status::ready)
      refusal = more.back()->Get();
  }
  ASSERT_TRUE(refusal);
  EXPECT_EQ(Bad(*refusal, 503), "Exceeds maximum queue size");
  EXPECT_EQ(Header(*refusal, "x-msq-reason"), "queue_full");
  EXPECT_EQ(Header(*refusal, "Retry-After"), "1");
  stack_.control().Release();
  EXPECT_EQ(first->Get().status, 200);
}

TEST_F(HttpServiceTest, AnswersCountUntilTheyAreSent) {
  Open({.repository = {}, .engine = {.max_queued_bytes = 1000}, .workers = 1, .queue_capacity = 256, .cache_bytes = 0});
  std::vector<WebResponse> unsent;
  do unsent.push_back(Post("/v2/models/m/infer", Request(1, 7)));
  while (unsent.back().status == 200 && unsent.size() < 100);
  EXPECT_GT(unsent.size(), 1u);
  EXPECT_EQ(Bad(unsent.back(), 503), "Exceeds maximum queue size");
  unsent.clear();
  EXPECT_EQ(Post("/v2/models/m/infer", Request(1, 7)).status, 200);
}

TEST_F(HttpServiceTest, AClientThatGoesAwayCancelsWhatWaits) {
  Open({.repository = {}, .engine = {}, .workers = 1, .queue_capacity = 256, .cache_bytes = 0});
  stack_.control().Hold();
  const auto first = Send("POST", "/v2/models/m/infer", Request(1, 7));
  stack_.control().AwaitHeld(1);
  const auto second = Send("POST", "/v2/models/m/infer", Request(1, 7));
  second->exchange->Disconnect();
  stack_.control().Release();
  EXPECT_EQ(second->Get().status, 499);
  EXPECT_EQ(first->Get().status, 200);
  EXPECT_EQ(stack_.control().runs(), 1);
}

// The memory that is lacking is the connection's here.
TEST_F(HttpServiceTest, AnAnswerThatFindsNoMemoryEndsNoWorker) {
  Open({.repository = {}, .engine = {}, .workers = 1, .queue_capacity = 256, .cache_bytes = 0});
  std::promise<void> answered;
  auto exchange = std::make_shared<WebExchange>(
      WebRequest{"POST", "/v2/models/m/infer", "", {}, Request(1, 7), "127.0.0.1:1"}, [&answered](const WebResponse&) {
        answered.set_value();
        throw std::bad_alloc();
      });
  service_->Handle(exchange);
  ASSERT_EQ(answered.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
  EXPECT_EQ(Post("/v2/models/m/infer", Request(1, 7)).status, 200);
}

TEST_F(HttpServiceTest, RepositoryLoadsAndUnloads) {
  testing::ServingStack::Options options;
  options.repository.mode = ModelRepository::Mode::kExplicit;
  Open(options);
  EXPECT_EQ(Good(Post("/v2/repository/index", R"({"ready":true})")), json::array());
  EXPECT_EQ(Good(Post("/v2/repository/models/m/load")), json::object());
  const json index = Good(Post("/v2/repository/index", R"({"ready":true})"));
  ASSERT_EQ(index.size(), 1u);
  EXPECT_EQ(index[0]["name"], "m");
  EXPECT_EQ(index[0]["state"], "READY");
  EXPECT_EQ(Good(Post("/v2/repository/models/m/load", R"({"parameters":{"config":"{\"max_batch_size\":16}"}})")),
            json::object());
  EXPECT_EQ(Good(Get("/v2/models/m/config"))["max_batch_size"], 16);
  EXPECT_EQ(Good(Post("/v2/repository/models/m/unload", R"({"parameters":{"unload_dependents":true}})")),
            json::object());
  EXPECT_EQ(Get("/v2/models/m/ready").status, 503);
  const WebResponse absent = Post("/v2/repository/models/absent/load");
  EXPECT_NE(absent.status, 200);
  EXPECT_THAT(absent.body, HasSubstr("failed to load"));
}

TEST_F(HttpServiceTest, TensorsInSharedMemory) {
  const std::string key = "/msq_http_service_test_" + std::to_string(getpid());
  const int memory = shm_open(key.c_str(), O_CREAT | O_RDWR, 0600);
  ASSERT_GE(memory, 0);
  const std::string pixels(kElements, 77);
  EXPECT_EQ(pwrite(memory, pixels.data(), pixels.size(), 0), static_cast<ssize_t>(pixels.size()));
  EXPECT_EQ(ftruncate(memory, 4096), 0);
  const std::string region = "/v2/systemsharedmemory/region/r";
  EXPECT_EQ(Good(Post(region + "/register", R"({"key":")" + key + R"(","byte_size":4096})")), json::object());
  EXPECT_EQ(Bad(Post(region + "/register", R"({"key":")" + key + R"(","byte_size":4096})"), 409).empty(), false);
  EXPECT_EQ(Good(Get(region + "/status")), json({{{"name", "r"}, {"key", key}, {"offset", 0}, {"byte_size", 4096}}}));
  EXPECT_EQ(Good(Get("/v2/systemsharedmemory/status")).size(), 1u);
  const json place = {{"shared_memory_region", "r"}, {"shared_memory_byte_size", 192}};
  const json request = {
      {"inputs", {{{"name", "pixels"}, {"datatype", "UINT8"}, {"shape", {1, 3, 8, 8}}, {"parameters", place}}}}};
  const json answer = Good(Post("/v2/models/m/infer", request.dump()));
  EXPECT_EQ(answer["outputs"][0]["data"].get<std::vector<float>>(), Logits(1, 77));
  EXPECT_EQ(Good(Post(region + "/unregister")), json::object());
  EXPECT_EQ(Get(region + "/status").status, 404);
  EXPECT_EQ(Good(Post("/v2/systemsharedmemory/unregister")), json::object());
  close(memory);
  shm_unlink(key.c_str());
}

TEST_F(HttpServiceTest, SharedMemoryIsItsRegistrarsOwn) {
  stack_.folder().AddFile("tokens.json", R"({"tokens":[{"name":"a","token":"token-a","admin":true},
      {"name":"b","token":"token-b","admin":true},{"name":"c","token":"token-c"}]})");
  Open({}, stack_.folder().path() + "/tokens.json");
  const std::string key = "/msq_http_service_owner_" + std::to_string(getpid());
  const int memory = shm_open(key.c_str(), O_CREAT | O_RDWR, 0600);
  ASSERT_GE(memory, 0);
  EXPECT_EQ(ftruncate(memory, 4096), 0);
  const WebHeaders owner = {{"authorization", "Bearer token-a"}};
  const std::string memories = "/v2/systemsharedmemory/";
  const std::string region = memories + "region/r";
  const std::string registration = R"({"key":")" + key + R"(","byte_size":4096})";
  ASSERT_EQ(Ask("POST", region + "/register", registration, owner).status, 200);
  const json place = {{"shared_memory_region", "r"}, {"shared_memory_byte_size", 192}};
  const json request = {
      {"inputs", {{{"name", "pixels"}, {"datatype", "UINT8"}, {"shape", {1, 3, 8, 8}}, {"parameters", place}}}}};
  for (const char* token : {"Bearer token-b", "Bearer token-c"}) {
    const WebHeaders other = {{"authorization", token}};
    EXPECT_THAT(Bad(Ask("POST", "/v2/models/m/infer", request.dump(), other), 404), HasSubstr("region: 'r'"));
    EXPECT_EQ(Ask("GET", region + "/status", "", other).status, 404);
    EXPECT_EQ(Good(Ask("GET", memories + "status", "", other)), json::array());
    Ask("POST", region + "/unregister", "", other);
    Ask("POST", memories + "unregister", "", other);
  }
  EXPECT_EQ(Ask("POST", "/v2/models/m/infer", request.dump(), owner).status, 200);
  EXPECT_EQ(Ask("POST", region + "/unregister", "", owner).status, 200);
  EXPECT_EQ(Ask("GET", region + "/status", "", owner).status, 404);
  close(memory);
  shm_unlink(key.c_str());
}

TEST_F(HttpServiceTest, CudaSharedMemoryIsNotServed) {
  EXPECT_EQ(Good(Get("/v2/cudasharedmemory/status")), json::array());
  EXPECT_EQ(Good(Post("/v2/cudasharedmemory/unregister")), json::object());
  const std::string region = R"({"raw_handle":{"b64":"AAAA"},"device_id":0,"byte_size":1})";
  EXPECT_THAT(Bad(Post("/v2/cudasharedmemory/region/r/register", region), 501), HasSubstr("CUDA"));
}

TEST_F(HttpServiceTest, TraceAndLogSettings) {
  EXPECT_EQ(Good(Get("/v2/trace/setting"))["trace_level"], json({"OFF"}));
  EXPECT_EQ(Good(Post("/v2/models/m/trace/setting", R"({"trace_rate":"5"})"))["trace_rate"], "5");
  EXPECT_EQ(Good(Get("/v2/models/m/trace/setting"))["trace_rate"], "5");
  EXPECT_EQ(Get("/v2/models/absent/trace/setting").status, 404);
  EXPECT_EQ(Good(Get("/v2/logging"))["log_info"], true);
  EXPECT_EQ(Good(Post("/v2/logging", R"({"log_info":true})"))["log_info"], true);
  EXPECT_EQ(Post("/v2/logging", R"({"log_colour":true})").status, 400);
}

TEST_F(HttpServiceTest, TokensAreAskedFor) {
  stack_.folder().AddFile("tokens.json", R"({"tokens":[{"name":"a","token":"secret","models":["m"]}]})");
  Open({}, stack_.folder().path() + "/tokens.json");
  EXPECT_EQ(Get("/v2/health/ready").status, 200);
  const WebResponse nobody = Post("/v2/models/m/infer", Request(1, 7));
  EXPECT_EQ(nobody.status, 401);
  EXPECT_EQ(Header(nobody, "WWW-Authenticate"), "Bearer");
  const WebHeaders token = {{"authorization", "Bearer secret"}};
  EXPECT_EQ(Ask("POST", "/v2/models/m/infer", Request(1, 7), token).status, 200);
  EXPECT_EQ(Ask("POST", "/v2/models/n/infer", Request(1, 7), token).status, 403);
}

TEST_F(HttpServiceTest, WebPagesChangeNothing) {
  const WebHeaders page = {{"Origin", "http://page.example"}};
  for (const char* path :
       {"/v2/repository/models/m/load", "/v2/repository/models/m/unload", "/v2/systemsharedmemory/region/r/register",
        "/v2/systemsharedmemory/unregister", "/v2/cudasharedmemory/region/r/register",
        "/v2/cudasharedmemory/unregister", "/v2/trace/setting", "/v2/models/m/trace/setting", "/v2/logging"}) {
    EXPECT_THAT(Bad(Ask("POST", path, "", page), 403), HasSubstr("takes no requests from web pages")) << path;
  }
  EXPECT_EQ(Ask("GET", "/v2/logging", "", page).status, 200);
  EXPECT_EQ(Ask("POST", "/v2/models/m/infer", Request(1, 7), page).status, 200);
}

TEST_F(HttpServiceTest, TokensAreAskedForBeforeABodyIsRead) {
  stack_.folder().AddFile("tokens.json", R"({"tokens":[{"name":"a","token":"secret","models":["m"]}]})");
  Open({}, stack_.folder().path() + "/tokens.json");
  for (const char* path : {"/v2/models/m/infer", "/v2/repository/index", "/v2/repository/models/m/load",
                           "/v2/repository/models/m/unload", "/v2/systemsharedmemory/region/r/register",
                           "/v2/cudasharedmemory/region/r/register", "/v2/trace/setting", "/v2/logging"}) {
    EXPECT_EQ(Post(path, "no JSON").status, 401) << path;
  }
  const WebHeaders token = {{"Authorization", "Bearer secret"}};
  EXPECT_EQ(Ask("POST", "/v2/models/m/infer", "no JSON", token).status, 400);
  EXPECT_EQ(Ask("POST", "/v2/models/n/infer", "no JSON", token).status, 403);
}

}  // namespace
}  // namespace msq::server
