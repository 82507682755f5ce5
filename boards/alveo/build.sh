#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Packages the kernel and links it for a card: boards/alveo/build.sh u50|u55c FOLDER [MHZ]
#
# FOLDER is filled by `python scripts/vendor.py CARD --prepare`; tickgate.xclbin comes into it, and
# clocks.json with the clock that v++ has reached. Variables:
#   TICKGATE_PLATFORM    platform, as v++ --platform takes it
#   TICKGATE_KERNEL_MHZ  clock of the kernel where MHZ is not given
#   TICKGATE_JOBS        processes at a time
#   TICKGATE_ANY_VIVADO  1: any release of the tools
set -euo pipefail

release=2022.1

fail() {
    echo "ERROR: $*" >&2
    exit 1
}

[[ $# -ge 2 ]] || fail "arguments: expected u50 or u55c and a folder, was '$*'"
card=$1
folder=$(cd "$2" && pwd)
case $card in
    u50)
        platform=xilinx_u50_gen3x16_xdma_5_202210_1
        part=xcu50-fsvh2104-2-e
        ;;
    u55c)
        platform=xilinx_u55c_gen3x16_xdma_3_202210_1
        part=xcu55c-fsvh2892-2L-e
        ;;
    *) fail "card: expected u50 or u55c, was $card" ;;
esac
platform=${TICKGATE_PLATFORM:-$platform}
mhz=${3:-${TICKGATE_KERNEL_MHZ:-200}}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

told=$(v++ --version)
if [[ $told != *"v$release"* && ${TICKGATE_ANY_VIVADO:-} != 1 ]]; then
    fail "v++: expected version $release, was $(tr -s '\n ' ' ' <<<"$told")"
fi

cd "$folder"
vivado -mode batch -nojournal -log vivado.log -source "$here/package_kernel.tcl" \
    -tclargs "$folder" "$part"
v++ --link --target hw --platform "$platform" --config "$here/connectivity.cfg" \
    --kernel_frequency "$mhz" --jobs "${TICKGATE_JOBS:-2}" --save-temps \
    --temp_dir link --log_dir link/logs --report_dir link/reports \
    --output tickgate.xclbin tickgate_kernel.xo
xclbinutil --force --input tickgate.xclbin \
    --dump-section CLOCK_FREQ_TOPOLOGY:JSON:clocks.json
