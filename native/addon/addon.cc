// SPDX-License-Identifier: Apache-2.0
// The JavaScript face of the add-on. Types and meanings are in native/index.ts, the only file that loads this add-on.
#include "../io/io.h"
#include "capabilities.h"
#include "clock.h"
#include "driver_wrap.h"
#include "insertion.h"
#include "javascript.h"
#include "module.h"
#include "probe.h"

#include <cmath>
#include <cstring>
#include <malloc.h>
#include <napi.h>
#include <sys/prctl.h>
#include <sys/resource.h>

namespace collector {

namespace {

// At the end of the heap, before malloc gives them back, and the least of a mapping of its own, gone when freed:
// malloc's own defaults at the start (mallopt(3)). A table that grew and was freed would raise the second one to its
// own size.
constexpr int KEPT_BYTES = 128 * 1024;
constexpr int MAPPED_BYTES = 128 * 1024;

std::uint32_t number(const Napi::Object &options, const char *key)
{
    return options.Get(key).As<Napi::Number>().Uint32Value();
}

std::uint8_t flag(const Napi::Object &options, const char *key)
{
    return options.Get(key).As<Napi::Boolean>().Value() ? 1 : 0;
}

void read_driver_options(const Napi::Object &given, DriverOptions &options)
{
    options.rings = number(given, "rings");
    options.ring_bytes = number(given, "ringBytes");
    options.knobs.cpus_per_ring = number(given, "cpusPerRing");
    options.knobs.cpus = static_cast<std::uint32_t>(libbpf_num_possible_cpus());
    options.knobs.all_scopes = flag(given, "allScopes");
    options.knobs.loopback = flag(given, "loopback");
    options.knobs.pending = flag(given, "pending");
    options.knobs.arguments = flag(given, "arguments");
    options.knobs.cgroup_v1 = flag(given, "cgroupV1");
}

ProbeOptions read_probe_options(const Napi::Object &given)
{
    ProbeOptions options{};
    read_driver_options(given, options);
    options.object = given.Get("object").As<Napi::String>().Utf8Value();
    options.btf = given.Get("btf").As<Napi::String>().Utf8Value();
    options.run_time = flag(given, "runTime");
    options.cgroup_root = given.Get("cgroupRoot").As<Napi::String>().Utf8Value();
    options.knobs.udp_window = number(given, "udpWindow") * 1'000'000ULL;
    options.knobs.udp_listeners = flag(given, "udpListeners");
    return options;
}

} // namespace

class ProbeWrap : public DriverWrap<ProbeWrap, Probe> {
public:
    static Napi::Function Define(Napi::Env env)
    {
        return DefineClass(env, "Probe",
                           methods({
                               InstanceMethod<&ProbeWrap::Object>("object"),
                               InstanceMethod<&ProbeWrap::UdpRefusal>("udpRefusal"),
                               InstanceMethod<&ProbeWrap::DatagramRefusal>("datagramRefusal"),
                               InstanceMethod<&ProbeWrap::Scan>("scan"),
                               InstanceMethod<&ProbeWrap::BeginScan>("beginScan"),
                               InstanceMethod<&ProbeWrap::ReadScan>("readScan"),
                           }));
    }

    explicit ProbeWrap(const Napi::CallbackInfo &info) : DriverWrap(info)
    {
        ProbeOptions options = read_probe_options(info[0].As<Napi::Object>());
        driver_ = guarded(info.Env(), [&] { return std::make_unique<Probe>(options); });
    }

private:
    Napi::Value Object(const Napi::CallbackInfo &info)
    {
        Napi::Env env = info.Env();
        kernel_version oldest = driver(env).oldest_kernel();
        Napi::Object result = Napi::Object::New(env);
        result.Set("oldestKernel", std::to_string(oldest.major) + "." + std::to_string(oldest.minor));
        result.Set("refusal", optional(env, driver(env).object_refusal()));
        return result;
    }

    Napi::Value UdpRefusal(const Napi::CallbackInfo &info)
    {
        return optional(info.Env(), driver(info.Env()).udp_refusal());
    }

    Napi::Value DatagramRefusal(const Napi::CallbackInfo &info)
    {
        return optional(info.Env(), driver(info.Env()).datagram_refusal());
    }

    static Napi::Value optional(Napi::Env env, const std::optional<ProbeError> &error)
    {
        return error ? to_javascript(env, *error).Value() : env.Undefined();
    }

    Napi::Value Scan(const Napi::CallbackInfo &info)
    {
        Napi::Env env = info.Env();
        std::string program = info[0].As<Napi::String>();
        auto bytes = guarded(env, [&] { return driver(env).scan(program.c_str()); });
        Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, bytes.size());
        std::memcpy(buffer.Data(), bytes.data(), bytes.size());
        return Napi::Uint8Array::New(env, bytes.size(), buffer, 0);
    }

    void BeginScan(const Napi::CallbackInfo &info)
    {
        std::string program = info[0].As<Napi::String>();
        guarded(info.Env(), [&] { driver(info.Env()).begin_scan(program.c_str()); });
    }

    Napi::Value ReadScan(const Napi::CallbackInfo &info)
    {
        Napi::Env env = info.Env();
        std::string program = info[0].As<Napi::String>();
        auto buffer = info[1].As<Napi::Uint8Array>();
        std::size_t from = info[2].As<Napi::Number>().Uint32Value();
        if (from > buffer.ByteLength())
            throw Napi::RangeError::New(env, "the buffer ends before there");
        std::ptrdiff_t count = guarded(env, [&] {
            return driver(env).read_scan(program.c_str(), buffer.Data() + from, buffer.ByteLength() - from);
        });
        return Napi::Number::New(env, static_cast<double>(count));
    }
};

class ModuleWrap : public DriverWrap<ModuleWrap, Module> {
public:
    static Napi::Function Define(Napi::Env env) { return DefineClass(env, "Module", methods()); }

    explicit ModuleWrap(const Napi::CallbackInfo &info) : DriverWrap(info)
    {
        DriverOptions options{};
        read_driver_options(info[0].As<Napi::Object>(), options);
        driver_ = guarded(info.Env(), [&] { return std::make_unique<Module>(options); });
    }
};

namespace {

Napi::Value Clock(const Napi::CallbackInfo &info)
{
    Napi::Env env = info.Env();
    Napi::Object result = Napi::Object::New(env);
    result.Set("time", static_cast<double>(boot_time_ns()));
    result.Set("epoch", static_cast<double>(epoch_ns()));
    return result;
}

void InsertModule(const Napi::CallbackInfo &info)
{
    std::string path = info[0].As<Napi::String>();
    guarded(info.Env(), [&] { insert_module(path); });
}

void RemoveModule(const Napi::CallbackInfo &info)
{
    std::string name = info[0].As<Napi::String>();
    guarded(info.Env(), [&] { remove_module(name); });
}

// The soft limit counts; with file capabilities, a process starts as not dumpable at all.
Napi::Value AllowCoreDump(const Napi::CallbackInfo &info)
{
    rlimit limit{};
    getrlimit(RLIMIT_CORE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_CORE, &limit);
    prctl(PR_SET_DUMPABLE, 1);
    return Napi::Number::New(
        info.Env(), limit.rlim_cur == RLIM_INFINITY ? INFINITY : static_cast<double>(limit.rlim_cur));
}

Napi::Value DropCapabilities(const Napi::CallbackInfo &info)
{
    std::uint64_t kept = 0;
    Napi::Array numbers = info[0].As<Napi::Array>();
    for (std::uint32_t i = 0; i < numbers.Length(); i++)
        kept |= 1ULL << numbers.Get(i).As<Napi::Number>().Uint32Value();
    return Napi::Number::New(info.Env(), drop_capabilities(kept));
}

Napi::Object Init(Napi::Env env, Napi::Object exports)
{
    raise_capabilities();
    // Left to itself, malloc learns to keep tens of megabytes, needed once by V8's compiler and libbpf.
    mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
    mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
    export_io(env, exports); // for a folder without io.node
    exports.Set("Probe", ProbeWrap::Define(env));
    exports.Set("Module", ModuleWrap::Define(env));
    exports.Set("clock", Napi::Function::New(env, Clock, "clock"));
    exports.Set("insertModule", Napi::Function::New(env, InsertModule, "insertModule"));
    exports.Set("removeModule", Napi::Function::New(env, RemoveModule, "removeModule"));
    exports.Set("allowCoreDump", Napi::Function::New(env, AllowCoreDump, "allowCoreDump"));
    exports.Set("dropCapabilities", Napi::Function::New(env, DropCapabilities, "dropCapabilities"));
    exports.Set("possibleCpus", static_cast<double>(libbpf_num_possible_cpus()));
    return exports;
}

} // namespace

NODE_API_MODULE(collector, Init)

} // namespace collector
