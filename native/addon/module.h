// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "driver.h"

namespace collector {

// The kernel module of native/module, inserted before: opened by the constructor, closed by the destructor. All it does
// for Collector ends with the open file, even if Collector is killed.
class Module : public Driver {
public:
    // Asks the module for its version before anything else. Throws ProbeError: ENOEXEC, with the reason in the log, for
    // a module of another version; EBUSY while another Collector has it open; ENOENT if none of ours is inserted.
    explicit Module(const DriverOptions &options);
    ~Module() override;

    void attach() override;
    void detach() override;
    std::vector<LostLink> restore_links() override;
    std::vector<ProgramStats> stats() const override;

private:
    int request(const char *name, unsigned long number, unsigned long argument) const;
    void check_version() const;
    void start(const DriverOptions &options);
    void release();

    int fd_ = -1;
    bool is_attached_ = false;
};

} // namespace collector
