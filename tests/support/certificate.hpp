// certificate.hpp: authorities and certificates of a test, made by OpenSSL.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

namespace support {

/// A key, and a certificate for it that is valid for an hour.
class Certificate {
 public:
  /// @param names    what it is for: "DNS:receiver.example" or "IP:127.0.0.1"; empty: it is an authority
  /// @param issuer   null: it vouches for itself
  /// @param until_s  from now on, when it expires
  explicit Certificate(const std::string& names, const Certificate* issuer = nullptr, long until_s = 3600)
      : key_(check(EVP_EC_gen("P-256")), &EVP_PKEY_free), x509_(check(X509_new()), &X509_free) {
    constexpr long day_s = 86'400;
    auto* const x509 = x509_.get();
    X509_set_version(x509, X509_VERSION_3);
    static long serial = 0;
    ASN1_INTEGER_set(X509_get_serialNumber(x509), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(x509), -2 * day_s);
    X509_gmtime_adj(X509_getm_notAfter(x509), until_s);
    X509_set_pubkey(x509, key());
    const std::string name = names.empty() ? "authority " + std::to_string(serial) : "test";
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509_set_issuer_name(x509, X509_get_subject_name(issuer ? issuer->x509() : x509));
    extend(NID_basic_constraints, names.empty() ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (!names.empty()) extend(NID_subject_alt_name, names);
    if (X509_sign(x509, issuer ? issuer->key() : key(), EVP_sha256()) == 0) throw std::runtime_error("no certificate made");
  }

  X509* x509() const noexcept { return x509_.get(); }
  EVP_PKEY* key() const noexcept { return key_.get(); }
  /// As the only authority that is believed; whom it is given to frees it.
  X509_STORE* new_store() const {
    auto* const store = check(X509_STORE_new());
    X509_STORE_add_cert(store, x509());
    return store;
  }
  /// In PEM. @return the path
  std::string write(const std::filesystem::path& path) const {
    const auto file = open(path);
    if (PEM_write_bio_X509(file.get(), x509()) != 1) throw std::runtime_error("not written: " + path.string());
    return path.string();
  }
  /// The key, in PEM. @return the path
  std::string write_key(const std::filesystem::path& path, const std::string& pass_phrase = "") const {
    const auto file = open(path);
    const auto* const cipher = pass_phrase.empty() ? nullptr : EVP_aes_128_cbc();
    if (PEM_write_bio_PKCS8PrivateKey(file.get(), key(), cipher, pass_phrase.data(), static_cast<int>(pass_phrase.size()), nullptr,
                                      nullptr) != 1)
      throw std::runtime_error("not written: " + path.string());
    return path.string();
  }

 private:
  template <class T>
  static T* check(T* made) {
    if (!made) throw std::bad_alloc();
    return made;
  }
  static std::unique_ptr<BIO, decltype(&BIO_free)> open(const std::filesystem::path& path) {
    return {check(BIO_new_file(path.c_str(), "w")), &BIO_free};
  }
  void extend(int nid, const std::string& value) {
    auto* const extension = check(X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str()));
    X509_add_ext(x509(), extension, -1);
    X509_EXTENSION_free(extension);
  }

  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_;
  std::unique_ptr<X509, decltype(&X509_free)> x509_;
};

}  // namespace support
