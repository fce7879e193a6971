/* own-root DIR: makes / of this process, which may be a mere folder (a chroot), the root of its mount namespace, with everything that is
 * mounted below. It is mounted at DIR on the way. Then it says so and stays, for others to enter its namespace (by /proc/PID/ns/mnt: a file
 * that is bound to it would be refused at random by kernels that do not number namespaces in order).
 *
 * runc needs it: it leaves its root by pivot_root, which wants a mount; and what enters a container's namespace later, as exec does, starts
 * at the namespace's root and not at the root of the one who made it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

static int failed(const char *what) {
    fprintf(stderr, "own-root: %s: %s\n", what, strerror(errno));
    return 1;
}

int main(int argc, char **argv) {
    if (argc != 2) return fprintf(stderr, "usage: own-root DIR\n"), 64;
    int folder = open("/", O_DIRECTORY | O_CLOEXEC), space = open("/proc/self/ns/mnt", O_CLOEXEC);
    if (folder < 0 || space < 0) return failed("open");
    /* Entering the namespace leads out of the chroot, to where the root is a mount: it can be made private, and be left. */
    if (setns(space, CLONE_NEWNS)) return failed("setns");
    if (mount(0, "/", 0, MS_REC | MS_PRIVATE, 0)) return failed("private");
    if (fchdir(folder) || chroot(".")) return failed("chroot");
    if (mount("/", argv[1], 0, MS_BIND | MS_REC, 0)) return failed("mount");
    int root = open(argv[1], O_DIRECTORY | O_CLOEXEC);
    if (root < 0) return failed("open");
    if (setns(space, CLONE_NEWNS)) return failed("setns");
    if (fchdir(root)) return failed("fchdir");
    if (syscall(SYS_pivot_root, ".", ".")) return failed("pivot_root");
    if (umount2(".", MNT_DETACH)) return failed("umount");   /* the old root, which lies over the new one */
    puts("ready");
    fflush(stdout);
    for (;;) pause();
}
