// SPDX-License-Identifier: GPL-2.0-only
// A module with the name of Collector's, and nothing else of it.
#include <linux/module.h>

static int __init start(void)
{
    return 0;
}

static void __exit stop(void) {}

module_init(start);
module_exit(stop);
MODULE_LICENSE("GPL");
MODULE_VERSION("2.2.0");
MODULE_DESCRIPTION("Takes the name of Collector's kernel module, for its trials");
