// SPDX-License-Identifier: Apache-2.0
// The JavaScript face of the probe. Types and meanings are in native/index.ts, the only file that loads this add-on.
#include "../io/io.h"
#include "../io/text.h"
#include "capabilities.h"
#include "clock.h"
#include "module.h"
#include "probe.h"
#include "pump.h"

#include <cmath>
#include <cstring>
#include <malloc.h>
#include <napi.h>
#include <sys/prctl.h>
#include <sys/resource.h>

namespace collector {

namespace {

// At the end of the heap, before malloc gives them back, and the least of a mapping of its own, gone when freed: malloc's
// own defaults at the start (mallopt(3)). A table that grew and was freed would raise the second one to its own size.
constexpr int KEPT_BYTES = 128 * 1024;
constexpr int MAPPED_BYTES = 128 * 1024;

// The name of an errno, also of libbpf's own from 4000 on, in the order of its header.
std::string error_name(int code)
{
    static const char *const of_libbpf[] = {"LIBELF",   "FORMAT",  "KVERSION", "ENDIAN",   "INTERNAL",
                                            "RELOC",    "LOAD",    "VERIFY",   "PROG2BIG", "KVER",
                                            "PROGTYPE", "WRNGPID", "INVSEQ",   "NLPARSE"};
    std::size_t index = static_cast<std::size_t>(code - LIBBPF_ERRNO__LIBELF);
    if (!strerrorname_np(code) && index < sizeof(of_libbpf) / sizeof(*of_libbpf))
        return std::string("LIBBPF_ERRNO__") + of_libbpf[index];
    return errno_name(code);
}

Napi::Error to_javascript(Napi::Env env, const ProbeError &error)
{
    char text[128];
    libbpf_strerror(error.code, text, sizeof(text));
    Napi::Error result = Napi::Error::New(env, error.operation + " " + error.subject + ": " + text);
    result.Set("operation", error.operation);
    result.Set("subject", error.subject);
    result.Set("errno", error_name(error.code));
    result.Set("log", error.log);
    return result;
}

// Runs a function, and throws its ProbeError as a JavaScript error.
template <typename Function> auto guarded(Napi::Env env, Function function)
{
    try {
        return function();
    } catch (const ProbeError &error) {
        throw to_javascript(env, error);
    }
}

std::uint32_t number(const Napi::Object &options, const char *key)
{
    return options.Get(key).As<Napi::Number>().Uint32Value();
}

std::uint8_t flag(const Napi::Object &options, const char *key)
{
    return options.Get(key).As<Napi::Boolean>().Value() ? 1 : 0;
}

ProbeOptions read_options(const Napi::Object &given)
{
    ProbeOptions options{};
    options.object = given.Get("object").As<Napi::String>().Utf8Value();
    options.btf = given.Get("btf").As<Napi::String>().Utf8Value();
    options.rings = number(given, "rings");
    options.ring_bytes = number(given, "ringBytes");
    options.run_time = flag(given, "runTime");
    options.cgroup_root = given.Get("cgroupRoot").As<Napi::String>().Utf8Value();
    options.knobs.udp_window = number(given, "udpWindow") * 1'000'000ULL;
    options.knobs.udp_listeners = flag(given, "udpListeners");
    options.knobs.cpus_per_ring = number(given, "cpusPerRing");
    options.knobs.cpus = static_cast<std::uint32_t>(libbpf_num_possible_cpus());
    options.knobs.all_scopes = flag(given, "allScopes");
    options.knobs.loopback = flag(given, "loopback");
    options.knobs.pending = flag(given, "pending");
    options.knobs.arguments = flag(given, "arguments");
    options.knobs.cgroup_v1 = flag(given, "cgroupV1");
    return options;
}

} // namespace

class ProbeWrap : public Napi::ObjectWrap<ProbeWrap> {
public:
    static Napi::Function Define(Napi::Env env)
    {
        return DefineClass(env, "Probe",
                           {
                               InstanceMethod<&ProbeWrap::Attach>("attach"),
                               InstanceMethod<&ProbeWrap::Detach>("detach"),
                               InstanceMethod<&ProbeWrap::RestoreLinks>("restoreLinks"),
                               InstanceMethod<&ProbeWrap::SelfCheck>("selfCheck"),
                               InstanceMethod<&ProbeWrap::Start>("start"),
                               InstanceMethod<&ProbeWrap::WatchClock>("watchClock"),
                               InstanceMethod<&ProbeWrap::Drain>("drain"),
                               InstanceMethod<&ProbeWrap::Discard>("discard"),
                               InstanceMethod<&ProbeWrap::Hold>("hold"),
                               InstanceMethod<&ProbeWrap::Stats>("stats"),
                               InstanceMethod<&ProbeWrap::Rings>("rings"),
                               InstanceMethod<&ProbeWrap::Object>("object"),
                               InstanceMethod<&ProbeWrap::UdpRefusal>("udpRefusal"),
                               InstanceMethod<&ProbeWrap::DatagramRefusal>("datagramRefusal"),
                               InstanceMethod<&ProbeWrap::Scan>("scan"),
                               InstanceMethod<&ProbeWrap::BeginScan>("beginScan"),
                               InstanceMethod<&ProbeWrap::ReadScan>("readScan"),
                               InstanceMethod<&ProbeWrap::Close>("close"),
                           });
    }

    explicit ProbeWrap(const Napi::CallbackInfo &info) : Napi::ObjectWrap<ProbeWrap>(info)
    {
        ProbeOptions options = read_options(info[0].As<Napi::Object>());
        probe_ = guarded(info.Env(), [&] { return std::make_unique<Probe>(options); });
    }

    ~ProbeWrap() override { release(); }

private:
    Probe &probe(Napi::Env env)
    {
        if (!probe_)
            throw Napi::Error::New(env, "the probe is closed");
        return *probe_;
    }

    void Attach(const Napi::CallbackInfo &info)
    {
        guarded(info.Env(), [&] { probe(info.Env()).attach(); });
    }

    void Detach(const Napi::CallbackInfo &info) { probe(info.Env()).detach(); }

    Napi::Value RestoreLinks(const Napi::CallbackInfo &info)
    {
        Napi::Env env = info.Env();
        auto lost = guarded(env, [&] { return probe(env).restore_links(); });
        Napi::Array result = Napi::Array::New(env, lost.size());
        for (std::uint32_t i = 0; i < lost.size(); i++) {
            Napi::Object row = Napi::Object::New(env);
            row.Set("program", lost[i].program);
            row.Set("errno",
                    lost[i].code == 0 ? env.Undefined() : Napi::String::New(env, error_name(lost[i].code)));
            result.Set(i, row);
        }
        return result;
    }

    void SelfCheck(const Napi::CallbackInfo &info)
    {
        probe(info.Env()).self_check(info[0].As<Napi::Boolean>());
    }

    void Start(const Napi::CallbackInfo &info)
    {
        Napi::Env env = info.Env();
        auto buffer = info[0].As<Napi::Uint8Array>();
        if (pump_)
            throw Napi::Error::New(env, "the probe has been started");
        if (buffer.ByteLength() < RECORD_CAPACITY)
            throw Napi::RangeError::New(env, "the buffer is smaller than a record can be");
        uv_loop_t *loop = nullptr;
        napi_get_uv_event_loop(env, &loop);
        buffer_ = Napi::Persistent(info[0].As<Napi::Object>());
        on_records_ = Napi::Persistent(info[1].As<Napi::Function>());
        on_error_ = Napi::Persistent(info[2].As<Napi::Function>());
        guarded(env, [&] {
            pump_ = new Pump(
                loop, probe(env), buffer.Data(), buffer.ByteLength(),
                [this, env](std::size_t length, std::uint64_t time) { deliver(env, length, time); },
                [this, env](const ProbeError &error) { fail(env, error); });
        });
    }

    void deliver(Napi::Env env, std::size_t length, std::uint64_t time)
    {
        Napi::HandleScope scope(env);
        call(env, on_records_,
             {Napi::Number::New(env, static_cast<double>(length)),
              Napi::Number::New(env, static_cast<double>(time))});
    }

    void WatchClock(const Napi::CallbackInfo &info)
    {
        Napi::Env env = info.Env();
        if (!pump_)
            throw Napi::Error::New(env, "the probe has not been started");
        on_clock_set_ = Napi::Persistent(info[0].As<Napi::Function>());
        guarded(env, [&] {
            pump_->watch_clock([this, env](const ClockWatch::Set &set) {
                Napi::HandleScope scope(env);
                call(env, on_clock_set_,
                     {Napi::Number::New(env, static_cast<double>(set.time)),
                      Napi::Number::New(env, static_cast<double>(set.epoch))});
            });
        });
    }

    void fail(Napi::Env env, const ProbeError &error)
    {
        Napi::HandleScope scope(env);
        call(env, on_error_, {to_javascript(env, error).Value()});
    }

    static void call(Napi::Env env, Napi::FunctionReference &function,
                     std::initializer_list<napi_value> arguments)
    {
        try {
            function.MakeCallback(env.Global(), arguments);
        } catch (const Napi::Error &error) {
            napi_fatal_exception(env,
                                 error.Value()); // becomes 'uncaughtException', as in any callback of Node's
        }
    }

    void Hold(const Napi::CallbackInfo &info)
    {
        probe(info.Env());
        if (pump_)
            pump_->hold(info[0].As<Napi::Boolean>());
    }

    Napi::Value Drain(const Napi::CallbackInfo &info)
    {
        probe(info.Env());
        bool all = info[0].IsUndefined();
        std::uint64_t until = all ? UINT64_MAX : info[0].As<Napi::Number>().Int64Value();
        std::size_t budget = all ? SIZE_MAX : info[1].As<Napi::Number>().Uint32Value();
        std::size_t bytes = 0;
        if (pump_)
            guarded(info.Env(), [&] { bytes = pump_->drain(until, budget); });
        return Napi::Number::New(info.Env(), static_cast<double>(bytes));
    }

    Napi::Value Discard(const Napi::CallbackInfo &info)
    {
        probe(info.Env());
        std::uint64_t count = 0;
        if (pump_)
            guarded(info.Env(), [&] { count = pump_->discard(); });
        return Napi::Number::New(info.Env(), static_cast<double>(count));
    }

    Napi::Value Stats(const Napi::CallbackInfo &info)
    {
        Napi::Env env = info.Env();
        auto rows = guarded(env, [&] { return probe(env).stats(); });
        Napi::Array result = Napi::Array::New(env, rows.size());
        for (std::uint32_t i = 0; i < rows.size(); i++) {
            const ProgramStats &stats = rows[i];
            Napi::Object row = Napi::Object::New(env);
            row.Set("program", stats.name);
            auto set = [&](const char *key, std::uint64_t value) { row.Set(key, static_cast<double>(value)); };
            set("events", stats.counts.events);
            set("lost", stats.counts.lost);
            set("skipped", stats.counts.skipped);
            set("failed", stats.counts.failed);
            set("overShare", stats.counts.over_share);
            set("container", stats.counts.container);
            set("missed", stats.missed);
            set("runs", stats.runs);
            set("runNs", stats.run_ns);
            result.Set(i, row);
        }
        return result;
    }

    Napi::Value Rings(const Napi::CallbackInfo &info)
    {
        Napi::Env env = info.Env();
        double waiting = 0, fullest = 0, capacity = 0;
        for (const auto &ring : probe(env).rings()) {
            auto bytes = static_cast<double>(ring->waiting());
            waiting += bytes;
            fullest = std::max(fullest, bytes);
            capacity += static_cast<double>(ring->bytes());
        }
        Napi::Object result = Napi::Object::New(env);
        result.Set("waiting", waiting);
        result.Set("fullest", fullest);
        result.Set("capacity", capacity);
        return result;
    }

    Napi::Value Object(const Napi::CallbackInfo &info)
    {
        Napi::Env env = info.Env();
        kernel_version oldest = probe(env).oldest_kernel();
        Napi::Object result = Napi::Object::New(env);
        result.Set("oldestKernel", std::to_string(oldest.major) + "." + std::to_string(oldest.minor));
        result.Set("refusal", optional(env, probe(env).object_refusal()));
        return result;
    }

    Napi::Value UdpRefusal(const Napi::CallbackInfo &info)
    {
        return optional(info.Env(), probe(info.Env()).udp_refusal());
    }

    Napi::Value DatagramRefusal(const Napi::CallbackInfo &info)
    {
        return optional(info.Env(), probe(info.Env()).datagram_refusal());
    }

    static Napi::Value optional(Napi::Env env, const std::optional<ProbeError> &error)
    {
        return error ? to_javascript(env, *error).Value() : env.Undefined();
    }

    Napi::Value Scan(const Napi::CallbackInfo &info)
    {
        Napi::Env env = info.Env();
        std::string program = info[0].As<Napi::String>();
        auto bytes = guarded(env, [&] { return probe(env).scan(program.c_str()); });
        Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, bytes.size());
        std::memcpy(buffer.Data(), bytes.data(), bytes.size());
        return Napi::Uint8Array::New(env, bytes.size(), buffer, 0);
    }

    void BeginScan(const Napi::CallbackInfo &info)
    {
        std::string program = info[0].As<Napi::String>();
        guarded(info.Env(), [&] { probe(info.Env()).begin_scan(program.c_str()); });
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
            return probe(env).read_scan(program.c_str(), buffer.Data() + from, buffer.ByteLength() - from);
        });
        return Napi::Number::New(env, static_cast<double>(count));
    }

    void Close(const Napi::CallbackInfo &) { release(); }

    void release()
    {
        if (pump_)
            pump_->close();
        pump_ = nullptr;
        probe_.reset();
    }

    std::unique_ptr<Probe> probe_;
    Pump *pump_ = nullptr;         // deletes itself after close()
    Napi::ObjectReference buffer_; // keeps the memory for the pump to write to
    Napi::FunctionReference on_records_;
    Napi::FunctionReference on_error_;
    Napi::FunctionReference on_clock_set_;
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
    exports.Set("clock", Napi::Function::New(env, Clock, "clock"));
    exports.Set("insertModule", Napi::Function::New(env, InsertModule, "insertModule"));
    exports.Set("allowCoreDump", Napi::Function::New(env, AllowCoreDump, "allowCoreDump"));
    exports.Set("dropCapabilities", Napi::Function::New(env, DropCapabilities, "dropCapabilities"));
    exports.Set("possibleCpus", static_cast<double>(libbpf_num_possible_cpus()));
    return exports;
}

} // namespace

NODE_API_MODULE(collector, Init)

} // namespace collector
