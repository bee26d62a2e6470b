// SPDX-License-Identifier: Apache-2.0
// The JavaScript face of the threads beside the event loop. Types and meanings are in native/io.ts.
#include "io.h"
#include "text.h"
#include "watchdog.h"
#include "writer.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <napi.h>
#include <poll.h>
#include <string>
#include <sys/time.h>
#include <unistd.h>
#include <vector>

namespace collector {

class WriterWrap : public Napi::ObjectWrap<WriterWrap> {
public:
    static Napi::Function Define(Napi::Env env)
    {
        return DefineClass(env, "Writer",
                           {
                               InstanceMethod<&WriterWrap::Start>("start"),
                               InstanceMethod<&WriterWrap::Write>("write"),
                               InstanceMethod<&WriterWrap::Flush>("flush"),
                               InstanceMethod<&WriterWrap::NotifyBelow>("notifyBelow"),
                               InstanceMethod<&WriterWrap::Close>("close"),
                               InstanceAccessor<&WriterWrap::Pending>("pending"),
                               InstanceAccessor<&WriterWrap::Error>("error"),
                           });
    }

    explicit WriterWrap(const Napi::CallbackInfo &info) : Napi::ObjectWrap<WriterWrap>(info)
    {
        Napi::Env env = info.Env();
        auto capacity = static_cast<std::size_t>(info[0].As<Napi::Number>().Int64Value());
        bool stop_at_error = info[1].As<Napi::Boolean>();
        auto notify = Napi::ThreadSafeFunction::New(env, info[2].As<Napi::Function>(), "writer", 0, 1);
        notify.Unref(env); // waiting bytes keep no process alive
        // Never released: the thread may still call it when the process ends.
        writer_ = std::make_unique<Writer>(capacity, stop_at_error, [notify] { notify.NonBlockingCall(); });
    }

    Writer &writer(Napi::Env env)
    {
        if (!writer_)
            throw Napi::Error::New(env, "the writer is closed");
        return *writer_;
    }

private:
    void Start(const Napi::CallbackInfo &info)
    {
        Napi::Env env = info.Env();
        int error = writer(env).start(info[0].As<Napi::Number>().Int32Value(), info[1].As<Napi::Boolean>());
        if (error != 0)
            throw Napi::Error::New(env, "no thread: " + errno_name(error));
    }

    Napi::Value Write(const Napi::CallbackInfo &info)
    {
        auto bytes = info[0].As<Napi::Uint8Array>();
        return Napi::Boolean::New(info.Env(), writer(info.Env()).write(bytes.Data(), bytes.ByteLength()));
    }

    Napi::Value Flush(const Napi::CallbackInfo &info)
    {
        return Napi::Boolean::New(info.Env(),
                                  writer(info.Env()).flush(info[0].As<Napi::Number>().Uint32Value()));
    }

    void NotifyBelow(const Napi::CallbackInfo &info)
    {
        writer(info.Env()).notify_below(static_cast<std::size_t>(info[0].As<Napi::Number>().Int64Value()));
    }

    Napi::Value Pending(const Napi::CallbackInfo &info)
    {
        return Napi::Number::New(info.Env(), static_cast<double>(writer(info.Env()).pending()));
    }

    Napi::Value Error(const Napi::CallbackInfo &info)
    {
        int error = writer(info.Env()).error();
        return error == 0 ? info.Env().Undefined() : Napi::String::New(info.Env(), errno_name(error));
    }

    void Close(const Napi::CallbackInfo &) { writer_.reset(); }

    std::unique_ptr<Writer> writer_;
};

namespace {

std::string time_text(const char *format)
{
    char text[32];
    std::time_t now = std::time(nullptr);
    std::tm parts{};
    gmtime_r(&now, &parts);
    std::size_t length = std::strftime(text, sizeof(text), format, &parts);
    return std::string(text, length);
}

// As actors/telemetry/line.ts has it. The message is printable ASCII.
std::string log_line(bool json, const std::string &message)
{
    if (!json)
        return time_text("[CRITICAL %Y/%m/%d %H:%M:%S] ") + message + "\n";
    return time_text("{\"time\":\"%Y-%m-%dT%H:%M:%S.000Z\",\"level\":\"critical\",\"message\":") +
           quoted(message) + "}\n";
}

std::vector<std::string> strings(const Napi::Array &array)
{
    std::vector<std::string> result;
    for (std::uint32_t i = 0; i < array.Length(); i++)
        result.push_back(array.Get(i).As<Napi::String>());
    return result;
}

} // namespace

class WatchdogWrap : public Napi::ObjectWrap<WatchdogWrap> {
public:
    static Napi::Function Define(Napi::Env env) { return DefineClass(env, "Watchdog", {}); }

    explicit WatchdogWrap(const Napi::CallbackInfo &info) : Napi::ObjectWrap<WatchdogWrap>(info)
    {
        Napi::Env env = info.Env();
        auto given = info[0].As<Napi::Object>();
        auto cell = given.Get("cell").As<Napi::Uint8Array>();
        auto log = given.Get("log").As<Napi::Object>();
        cell_ = Napi::Persistent(cell.As<Napi::Object>());
        log_ = Napi::Persistent(log);
        auto loop = Napi::ThreadSafeFunction::New(env, info[1].As<Napi::Function>(), "watchdog", 0, 1);
        loop.Unref(env);
        WatchdogOptions options{};
        options.seconds = given.Get("seconds").As<Napi::Number>().Uint32Value();
        options.folder = given.Get("folder").As<Napi::String>().Utf8Value();
        options.termination_log = given.Get("terminationLog").As<Napi::String>().Utf8Value();
        options.phases = strings(given.Get("phases").As<Napi::Array>());
        options.steps = strings(given.Get("steps").As<Napi::Array>());
        options.cell = cell.Data();
        options.interruptible = strings(given.Get("interruptible").As<Napi::Array>());
        options.ping = [this, loop] {
            loop.NonBlockingCall([this](Napi::Env env, Napi::Function on_turn) { turned(env, on_turn); });
        };
        options.log = [writer = &WriterWrap::Unwrap(log)->writer(env),
                       json = given.Get("json").As<Napi::Boolean>().Value()](const std::string &message) {
            std::string line = log_line(json, message);
            writer->write(reinterpret_cast<const std::uint8_t *>(line.data()), line.size());
        };
        watchdog_ = std::make_unique<Watchdog>(std::move(options));
        int error = watchdog_->start();
        if (error != 0)
            throw Napi::Error::New(env, "no thread: " + errno_name(error));
        Ref(); // for as long as the process lives
    }

private:
    void turned(Napi::Env env, Napi::Function on_turn)
    {
        std::uint32_t seconds = watchdog_->turned();
        if (seconds > 0)
            on_turn.Call({Napi::Number::New(env, seconds), Napi::String::New(env, watchdog_->cause())});
    }

    std::unique_ptr<Watchdog> watchdog_;
    Napi::ObjectReference cell_; // keeps the thread's memory
    Napi::ObjectReference log_;
};

namespace {

// Ends the process without waiting for any thread: one may be in a call that never returns, and exit(3) joins libuv's.
void Exit(const Napi::CallbackInfo &info)
{
    _exit(info[0].As<Napi::Number>().Int32Value());
}

// Does only things allowed in a signal handler (signal-safety(7)): the event loop may stand still in any function.
void end_now(int)
{
    static constexpr char text[] = "The end took too long: Collector exits with some of it undone.\n";
    pollfd standard_error{STDERR_FILENO, POLLOUT, 0};
    // A hanging reader must not hold up the end.
    if (poll(&standard_error, 1, 0) == 1 && (standard_error.revents & POLLOUT) != 0) {
        [[maybe_unused]] ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
    }
    _exit(0);
}

// Time from the first timed signal to the end of the process, until that signal has come.
itimerval time_left;
volatile std::sig_atomic_t end_is_timed;
// libuv's handlers of the timed signals, which only wake the event loop.
void (*handlers[NSIG])(int);

// Starts the timer at the signal itself: the event loop may take long to hear of it.
void time_end(int signal)
{
    int error = errno;
    if (!end_is_timed)
        setitimer(ITIMER_REAL, &time_left, nullptr);
    end_is_timed = 1;
    errno = error;
    handlers[signal](signal);
}

void ExitWithin(const Napi::CallbackInfo &info)
{
    std::uint32_t milliseconds = info[0].As<Napi::Number>().Uint32Value();
    time_left.it_value = {milliseconds / 1000, static_cast<suseconds_t>(milliseconds % 1000) * 1000};
    struct sigaction action {};
    action.sa_handler = end_now;
    sigaction(SIGALRM, &action, nullptr);
    auto signals = info[1].As<Napi::Array>();
    for (std::uint32_t i = 0; i < signals.Length(); i++) {
        int signal = signals.Get(i).As<Napi::Number>().Int32Value();
        sigaction(signal, nullptr, &action);
        if (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN)
            throw Napi::Error::New(info.Env(), "nobody handles signal " + std::to_string(signal));
        handlers[signal] = action.sa_handler;
        action.sa_handler = time_end;
        sigaction(signal, &action, nullptr);
    }
}

} // namespace

void export_io(Napi::Env env, Napi::Object exports)
{
    exports.Set("Writer", WriterWrap::Define(env));
    exports.Set("Watchdog", WatchdogWrap::Define(env));
    exports.Set("exit", Napi::Function::New(env, Exit, "exit"));
    exports.Set("exitWithin", Napi::Function::New(env, ExitWithin, "exitWithin"));
}

} // namespace collector
