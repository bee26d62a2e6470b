// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../bpf/layout.h"
#include "javascript.h"
#include "pump.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <napi.h>
#include <vector>

namespace collector {

// The JavaScript face of a kind of driver: all that every kind can do. `Self` is the class derived from it.
template <typename Self, typename Kind> class DriverWrap : public Napi::ObjectWrap<Self> {
protected:
    using Wrap = Napi::ObjectWrap<Self>;
    using Method = typename Wrap::PropertyDescriptor;

    DriverWrap(const Napi::CallbackInfo &info) : Wrap(info) {}

    ~DriverWrap() override { release(); }

    // The methods of every kind, then those of this one.
    static std::vector<Method> methods(std::initializer_list<Method> own = {})
    {
        std::vector<Method> all = {
            Wrap::InstanceMethod("attach", &DriverWrap::Attach),
            Wrap::InstanceMethod("detach", &DriverWrap::Detach),
            Wrap::InstanceMethod("restoreLinks", &DriverWrap::RestoreLinks),
            Wrap::InstanceMethod("selfCheck", &DriverWrap::SelfCheck),
            Wrap::InstanceMethod("start", &DriverWrap::Start),
            Wrap::InstanceMethod("watchClock", &DriverWrap::WatchClock),
            Wrap::InstanceMethod("drain", &DriverWrap::Drain),
            Wrap::InstanceMethod("discard", &DriverWrap::Discard),
            Wrap::InstanceMethod("hold", &DriverWrap::Hold),
            Wrap::InstanceMethod("stats", &DriverWrap::Stats),
            Wrap::InstanceMethod("rings", &DriverWrap::Rings),
            Wrap::InstanceMethod("close", &DriverWrap::Close),
        };
        all.insert(all.end(), own);
        return all;
    }

    Kind &driver(Napi::Env env)
    {
        if (!driver_)
            throw Napi::Error::New(env, "the driver is closed");
        return *driver_;
    }

    std::unique_ptr<Kind> driver_;

private:
    void Attach(const Napi::CallbackInfo &info)
    {
        guarded(info.Env(), [&] { driver(info.Env()).attach(); });
    }

    void Detach(const Napi::CallbackInfo &info) { driver(info.Env()).detach(); }

    Napi::Value RestoreLinks(const Napi::CallbackInfo &info)
    {
        Napi::Env env = info.Env();
        auto lost = guarded(env, [&] { return driver(env).restore_links(); });
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
        driver(info.Env()).self_check(info[0].As<Napi::Boolean>());
    }

    void Start(const Napi::CallbackInfo &info)
    {
        Napi::Env env = info.Env();
        auto buffer = info[0].As<Napi::Uint8Array>();
        if (pump_)
            throw Napi::Error::New(env, "the driver has been started");
        if (buffer.ByteLength() < RECORD_CAPACITY)
            throw Napi::RangeError::New(env, "the buffer is smaller than a record can be");
        uv_loop_t *loop = nullptr;
        napi_get_uv_event_loop(env, &loop);
        buffer_ = Napi::Persistent(info[0].As<Napi::Object>());
        on_records_ = Napi::Persistent(info[1].As<Napi::Function>());
        on_error_ = Napi::Persistent(info[2].As<Napi::Function>());
        guarded(env, [&] {
            pump_ = new Pump(
                loop, driver(env), buffer.Data(), buffer.ByteLength(),
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
            throw Napi::Error::New(env, "the driver has not been started");
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
        driver(info.Env());
        if (pump_)
            pump_->hold(info[0].As<Napi::Boolean>());
    }

    Napi::Value Drain(const Napi::CallbackInfo &info)
    {
        driver(info.Env());
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
        driver(info.Env());
        std::uint64_t count = 0;
        if (pump_)
            guarded(info.Env(), [&] { count = pump_->discard(); });
        return Napi::Number::New(info.Env(), static_cast<double>(count));
    }

    Napi::Value Stats(const Napi::CallbackInfo &info)
    {
        Napi::Env env = info.Env();
        auto rows = guarded(env, [&] { return driver(env).stats(); });
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
        for (const auto &ring : driver(env).rings()) {
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

    void Close(const Napi::CallbackInfo &) { release(); }

    void release()
    {
        if (pump_)
            pump_->close();
        pump_ = nullptr;
        driver_.reset();
    }

    Pump *pump_ = nullptr;         // deletes itself after close()
    Napi::ObjectReference buffer_; // keeps the memory for the pump to write to
    Napi::FunctionReference on_records_;
    Napi::FunctionReference on_error_;
    Napi::FunctionReference on_clock_set_;
};

} // namespace collector
