#include "server/security/tls.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "proto/health.grpc.pb.h"
#include "server/testing/test_certificates.h"

namespace msq::server {
namespace {

struct Answering final : grpc::health::v1::Health::Service {
  grpc::Status Check(grpc::ServerContext*, const grpc::health::v1::HealthCheckRequest*,
                     grpc::health::v1::HealthCheckResponse*) override {
    return grpc::Status::OK;
  }
};

class TlsTest : public ::testing::Test {
 protected:
  TlsTest() : folder_(::testing::TempDir() + "tls_" + std::to_string(getpid())) {
    std::filesystem::create_directories(folder_);
    const testing::TestIdentity server = authority_.Issue("server");
    files_ = {Write("server.pem", server.certificate_pem), Write("server.key", server.key_pem), ""};
  }
  ~TlsTest() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, std::string_view text) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path) << text;
    chmod(path.c_str(), 0600);
    return path;
  }

  // Expects an error whose message begins with the path and names the cause.
  void ExpectError(const TlsFiles& files, const std::string& path, std::string_view cause,
                   absl::StatusCode code = absl::StatusCode::kInvalidArgument) {
    const absl::Status status = CreateServerCredentials(files).status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_EQ(Message(status).find(path), 0u) << status;
    EXPECT_NE(Message(status).find(cause), std::string_view::npos) << status;
  }

  // What a client gets that trusts our authority, and shows an identity if there is one.
  grpc::StatusCode Call(const TlsFiles& files, const testing::TestIdentity& client = {}) {
    const auto credentials = CreateServerCredentials(files);
    EXPECT_TRUE(credentials.ok()) << credentials.status();
    Answering health;
    grpc::ServerBuilder builder;
    builder.RegisterService(&health);
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", *credentials, &port);
    const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    const auto channel = grpc::CreateChannel(
        "127.0.0.1:" + std::to_string(port),
        grpc::SslCredentials({authority_.certificate_pem(), client.key_pem, client.certificate_pem}));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    grpc::health::v1::HealthCheckResponse response;
    return grpc::health::v1::Health::NewStub(channel)->Check(&context, {}, &response).error_code();
  }

  const testing::TestAuthority authority_;
  const std::string folder_;
  TlsFiles files_;
};

TEST_F(TlsTest, EncryptsAndProvesWhoTheServerIs) {
  EXPECT_EQ(Call(files_), grpc::StatusCode::OK);
  const testing::TestIdentity stranger = testing::TestAuthority().Issue("server");
  EXPECT_EQ(Call({Write("other.pem", stranger.certificate_pem), Write("other.key", stranger.key_pem), ""}),
            grpc::StatusCode::UNAVAILABLE);
}

TEST_F(TlsTest, MutualLetsOnlyKnownClientsIn) {
  const testing::TestAuthority client_authority;
  files_.client_ca = Write("client_ca.pem", client_authority.certificate_pem());
  EXPECT_EQ(Call(files_, client_authority.Issue("client")), grpc::StatusCode::OK);
  EXPECT_EQ(Call(files_), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Call(files_, authority_.Issue("client")), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Call(files_, client_authority.Issue("client", -7200, -3600)), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(TlsTest, WithoutFilesThereIsNoTls) {
  EXPECT_FALSE(TlsFiles{}.enabled());
  const auto credentials = CreateServerCredentials({});
  ASSERT_TRUE(credentials.ok());
  EXPECT_NE(*credentials, nullptr);
}

TEST_F(TlsTest, RefusesFilesThatWouldFailLater) {
  const std::string text = Write("text", "hello\n"), absent = folder_ + "/absent";
  ExpectError({absent, files_.key, ""}, absent, "no such file", absl::StatusCode::kNotFound);
  ExpectError({files_.certificate, absent, ""}, absent, "no such file", absl::StatusCode::kNotFound);
  ExpectError({files_.certificate, files_.key, absent}, absent, "no such file", absl::StatusCode::kNotFound);
  ExpectError({text, files_.key, ""}, text, "holds no certificate in PEM form");
  ExpectError({files_.key, files_.key, ""}, files_.key, "holds no certificate in PEM form");
  ExpectError({files_.certificate, text, ""}, text, "holds no private key in PEM form");
  ExpectError({files_.certificate, files_.certificate, ""}, files_.certificate, "holds no private key");
  ExpectError({files_.certificate, files_.key, text}, text, "holds no certificate in PEM form");
  ExpectError({files_.certificate, "", ""}, "", "TLS needs a certificate and its key");
  ExpectError({"", "", files_.certificate}, "", "TLS needs a certificate and its key");

  const std::string other_key = Write("other.key", authority_.Issue("other").key_pem);
  ExpectError({files_.certificate, other_key, ""}, other_key,
              "is not the key of the certificate in " + files_.certificate);
  const testing::TestIdentity plain = authority_.Issue("plain");
  const std::string locked = Write("locked.key", testing::EncryptKey(plain.key_pem, "open sesame"));
  ExpectError({Write("plain.pem", plain.certificate_pem), locked, ""}, locked, "is encrypted");
}

TEST_F(TlsTest, RefusesCertificatesThatAreNotValidNow) {
  const testing::TestIdentity old = authority_.Issue("old", -7200, -3600),
                              early = authority_.Issue("early", 3600, 7200);
  const std::string old_pem = Write("old.pem", old.certificate_pem),
                    early_pem = Write("early.pem", early.certificate_pem);
  ExpectError({old_pem, Write("old.key", old.key_pem), ""}, old_pem, "certificate 'CN = old' expired on ");
  ExpectError({early_pem, Write("early.key", early.key_pem), ""}, early_pem,
              "certificate 'CN = early' is not valid before ");
  ExpectError({files_.certificate, files_.key, old_pem}, old_pem, "expired on ");
  // Behind a good one, and cut off.
  const testing::TestIdentity good = authority_.Issue("good");
  const std::string key = Write("good.key", good.key_pem);
  const std::string chain = Write("chain.pem", good.certificate_pem + old.certificate_pem);
  ExpectError({chain, key, ""}, chain, "'CN = old' expired");
  const std::string cut = Write("cut.pem", good.certificate_pem + old.certificate_pem.substr(0, 200));
  ExpectError({cut, key, ""}, cut, "certificate 2 cannot be read");
}

}  // namespace
}  // namespace msq::server
